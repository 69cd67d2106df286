// Linears for few rows of input, bound by reading their weights; may include the preceding norm.
#pragma once

#include "backend/cuda/linear/fused_linear.h"

namespace gptq::backend::cuda {

struct DecodeLinear : FusedLinear {  // M ≤ decode_rows()
  static constexpr int kMaxRows = 8;

  // With `norm`, x is the F32 residual stream, normalized when it is read.
  const float* norm = nullptr;  // [K]
  float norm_eps = 0;
  // The weight that the next linear reads first: its beginning is prefetched into the L2 cache at the end of this one.
  const CudaWeight* next = nullptr;
};

// The maximum rows of input for which [M, K] and the weights in flight fit in shared memory; 0 for weights that this
// kernel does not support.
int decode_rows(const Context& context, const CudaWeight& weight);

// `dependent`: by programmatic dependent launch, if the device supports it: weights are in flight before the previous
// kernel has finished.
void launch_decode_linear(const Context& context, const DecodeLinear& problem, bool dependent);

}  // namespace gptq::backend::cuda
