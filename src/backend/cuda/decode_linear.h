// Linears for few rows of input, bound by the reading of their weights; and what a decode step fuses around them.
#pragma once

#include <cstdint>
#include <span>

#include "backend/cuda/packed.h"

namespace gptq::cuda {

struct DecodeLinear {
  static constexpr int kMaxParts = 3;
  static constexpr int kMaxRows = 8;

  std::span<const CudaWeight* const> weights;  // share the input, its order, bits, group size and symmetry
  int rows = 1;                                // M ≤ rows_per_launch()
  // Input: activations [M, K], or with `norm` the F32 residual stream, normed on the way in.
  MatrixView x;
  const float* norm = nullptr;  // [K]
  float norm_eps = 0;
  // Output [M, ΣN]: activations or F32. `residual`: F32 [M, N] that the result is added to. `gated`: two weights, gate
  // and up; the output is silu(gate) · up [M, N].
  MatrixView y;
  bool residual = false;
  bool gated = false;
  // act-order at no cost: the result is written where the linear behind this one wants it, which then reads its input
  // as it lies.
  const uint16_t* output_place = nullptr;  // [N] where output n goes; of single weights and gated pairs
  bool sorted_input = false;
  // What the linear behind this one reads first: its beginning is brought into the L2 cache while this one ends.
  const CudaWeight* next = nullptr;
};

// Whether weights can go through one launch.
bool can_fuse(std::span<const CudaWeight* const> weights);
// The most rows of input whose [M, K] fits the shared memory beside the weights in flight; 0 for weights that this
// kernel cannot read.
int rows_per_launch(const Context& context, const CudaWeight& weight);

// `dependent`: by programmatic dependent launch, where the device has it: weights are in flight before the kernel in
// front has finished.
void launch_decode_linear(const Context& context, const DecodeLinear& problem, bool dependent);

}  // namespace gptq::cuda
