// Making the CUDA backend; without_cuda.cc answers in builds that have none.
#pragma once

#include <cstdint>
#include <memory>

#include "backend/backend.h"
#include "backend/gpu_choice.h"

namespace gptq::backend {

// The GPUs of this machine, and which of them this build serves.
GpuState gpu_state();

std::string gpu_targets();  // CMAKE_CUDA_ARCHITECTURES of this build; empty without CUDA

// Activations are BF16 or F16. `max_bytes` > 0 caps device memory; `threads` (0 = all) feed
// the GPU from files. Throws Error(kUsage) when there is no such GPU,
// saying why, and Error(kNotFound) when cuBLAS cannot be loaded.
std::unique_ptr<Backend> make_cuda_backend(int device, DType activations, int64_t max_bytes, int threads);

}  // namespace gptq::backend
