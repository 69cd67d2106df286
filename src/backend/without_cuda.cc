// Replaces the CUDA backend in builds without it.
#include "backend/cuda_backend.h"

namespace gptq::backend {

GpuState gpu_state() {
  return {"this build has no CUDA backend (build it with the CUDA toolkit 13.0 or newer to have one)", "", {}};
}

std::string gpu_targets() { return ""; }

std::unique_ptr<Backend> make_cuda_backend(int, DType, int64_t, int) { return nullptr; }  // never reached

}  // namespace gptq::backend
