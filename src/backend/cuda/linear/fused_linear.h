// A linear fused with adjacent steps: several weights on one input, followed by a residual addition or SiLU.
#pragma once

#include <cstdint>
#include <span>

#include "backend/cuda/linear/packed.h"

namespace gptq::backend::cuda {

struct FusedLinear {
  static constexpr int kMaxParts = 3;

  std::span<const CudaWeight* const> weights;  // see can_fuse
  int rows = 1;                                // M
  MatrixView x;                                // activations [M, K]
  // Output [M, ΣN]: activations or F32. `residual`: F32 [M, N] that the result is added to. `gated`: two weights, gate
  // and up; the output is silu(gate) · up [M, N].
  MatrixView y;
  bool residual = false;
  bool gated = false;
  // Act-order at no cost: the result is written in the input order of the next linear, which then reads it as it
  // is, without a permutation.
  const uint16_t* output_perm = nullptr;  // [N] column of output n; for single weights and gated pairs
  bool sorted_input = false;
};

// Whether weights can be used in one launch: they have the same input order, bits, group size and symmetry.
bool can_fuse(std::span<const CudaWeight* const> weights);

struct LinearPart {
  const std::byte* codes;
  const std::byte* scales;
  const float* bias;
  int n;      // outputs
  int begin;  // its first block of 16 outputs, counted over all parts
};

// A FusedLinear as kernel arguments.
struct LinearArguments {
  LinearPart parts[FusedLinear::kMaxParts];  // missing parts begin after all blocks
  int blocks;                                // of 16 outputs of all parts, or of the gate
  bool gated, residual, y_is_float;
  int rows, k, tiles;
  int group_steps, groups;
  uint32_t group_tiles_inverse;  // ⌈2³² / tiles of a group⌉ if groups are whole tiles; 0 for one tile
  const void* x;
  int64_t x_stride;
  const uint16_t* output_perm;
  void* y;
  int64_t y_stride;
};
LinearArguments arguments_of(const FusedLinear& problem);

}  // namespace gptq::backend::cuda
