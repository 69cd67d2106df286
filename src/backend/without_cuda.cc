// Stands in for the CUDA backend in builds without it.
#include <gptq/error.h>

#include "backend/cuda_backend.h"

namespace gptq {

int cuda_device_count() { return 0; }

void require_cuda_device(int index) {
  throw Error(ErrorKind::kUsage, "selecting device cuda:" + std::to_string(index) +
                                     ": this build has no CUDA backend; use --device cpu, or build with the CUDA "
                                     "toolkit 13.0 or newer");
}

std::unique_ptr<Backend> make_cuda_backend(int, DType, int64_t, int) { return nullptr; }  // never reached

}  // namespace gptq
