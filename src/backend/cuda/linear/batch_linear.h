// Linears for tens of rows of input: between one token and a prompt, where weights are still what there is to read.
#pragma once

#include "backend/cuda/linear/fused_linear.h"

namespace gptq::backend::cuda {

// Launches the kernel, and owns the memory in which its blocks of threads meet.
class BatchLinear {
 public:
  explicit BatchLinear(Context& context);

  // The most rows of one launch; 0 for weights that the kernel cannot read: dense ones, and what does not fit the
  // GPU's shared memory.
  static int max_rows(const Context& context, const CudaWeight& weight);

  // y = x · Wᵀ for M ≤ max_rows(). x lies in the order of positions where the weights have one. Launches of one object
  // follow each other on the context's stream. `dependent` as in launch_decode_linear.
  void launch(const FusedLinear& problem, bool dependent);

 private:
  Context& context_;
  Buffer sums_, arrived_;
};

}  // namespace gptq::backend::cuda
