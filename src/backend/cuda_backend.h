// Making the CUDA backend; builds without CUDA use without_cuda.cc.
#pragma once

#include <cstdint>
#include <memory>

#include "backend/backend.h"
#include "backend/gpu_choice.h"

namespace gptq::backend {

// The GPUs of this machine, and which of them this build supports.
GpuState gpu_state();

std::string gpu_targets();  // CMAKE_CUDA_ARCHITECTURES of this build; empty without CUDA

// Activations are BF16 or F16. `max_bytes` > 0 limits device memory; `threads` (0 = all) copy files to the GPU. Throws
// Error(kUsage) with the reason if there is no such GPU, and Error(kNotFound) if cuBLAS cannot be loaded.
std::unique_ptr<Backend> make_cuda_backend(int device, DType activations, int64_t max_bytes, int threads);

}  // namespace gptq::backend
