// A linear together with what stands around it: several weights on one input, the residual or SiLU behind them.
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
  // act-order at no cost: the result is written where the linear behind this one wants it, which then reads its input
  // as it lies.
  const uint16_t* output_perm = nullptr;  // [N] where output n goes; of single weights and gated pairs
  bool sorted_input = false;
};

// Whether weights can go through one launch: they share the input's order, bits, group size and symmetry.
bool can_fuse(std::span<const CudaWeight* const> weights);

struct LinearPart {
  const std::byte* codes;
  const std::byte* scales;
  const float* bias;
  int n;      // outputs
  int begin;  // its first block of 16 outputs, counted over all parts
};

// What a kernel needs to know of a FusedLinear.
struct LinearArguments {
  LinearPart parts[FusedLinear::kMaxParts];  // those that are not there begin behind all blocks
  int blocks;                                // of 16 outputs of all parts, or of the gate
  bool gated, residual, y_is_float;
  int rows, k, tiles;
  int group_steps, groups;
  uint32_t group_tiles_inverse;  // ⌈2³² / tiles of a group⌉ where groups are whole tiles; 0 for one tile
  const void* x;
  int64_t x_stride;
  const uint16_t* output_perm;
  void* y;
  int64_t y_stride;
};
LinearArguments arguments_of(const FusedLinear& problem);

}  // namespace gptq::backend::cuda
