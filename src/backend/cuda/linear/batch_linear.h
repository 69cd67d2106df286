// Linears for tens of rows of input, still bound by reading the weights.
#pragma once

#include "backend/cuda/linear/fused_linear.h"

namespace gptq::backend::cuda {

// Launches the kernel, and owns the memory for the partial sums of its CTAs.
class BatchLinear {
 public:
  explicit BatchLinear(Context& context);

  // The maximum rows of one launch; 0 for unsupported weights: dense ones, and those that do not fit in shared memory.
  static int max_rows(const Context& context, const CudaWeight& weight);

  // y = x · Wᵀ for M ≤ max_rows(). x is in the order of positions if the weights have one. Launches of one object are
  // sequential on the context's stream. `dependent` as in launch_decode_linear.
  void launch(const FusedLinear& problem, bool dependent);

 private:
  Context& context_;
  Buffer sums_, arrived_;
};

}  // namespace gptq::backend::cuda
