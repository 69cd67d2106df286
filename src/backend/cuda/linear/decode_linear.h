// Linears for few rows of input, bound by the reading of their weights; the norm in front may be part of them.
#pragma once

#include "backend/cuda/linear/fused_linear.h"

namespace gptq::backend::cuda {

struct DecodeLinear : FusedLinear {  // M ≤ decode_rows()
  static constexpr int kMaxRows = 8;

  // With `norm`, x is the F32 residual stream, normed on the way in.
  const float* norm = nullptr;  // [K]
  float norm_eps = 0;
  // What the linear behind this one reads first: its beginning is brought into the L2 cache while this one ends.
  const CudaWeight* next = nullptr;
};

// The most rows of input whose [M, K] fits the shared memory beside the weights in flight; 0 for weights that this
// kernel cannot read.
int decode_rows(const Context& context, const CudaWeight& weight);

// `dependent`: by programmatic dependent launch, where the device has it: weights are in flight before the kernel in
// front has finished.
void launch_decode_linear(const Context& context, const DecodeLinear& problem, bool dependent);

}  // namespace gptq::backend::cuda
