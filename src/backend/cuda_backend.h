// Making the CUDA backend; without_cuda.cc answers in builds that have none.
#pragma once

#include <cstdint>
#include <memory>

#include "backend/backend.h"

namespace gptq {

// GPUs that this build and this machine's driver can use; 0 without a GPU or driver.
int cuda_device_count();

// Throws Error(kUsage) saying why cuda:`index` cannot be used: no CUDA in this build, no driver or too old a one, no
// such GPU.
void require_cuda_device(int index);

// Activations are BF16 or F16. `max_bytes` > 0 caps device memory; `threads` (0 = all) feed
// the GPU from files. Throws Error(kUsage) when there is no such GPU,
// saying why, and Error(kNotFound) when cuBLAS cannot be loaded.
std::unique_ptr<Backend> make_cuda_backend(int device, DType activations, int64_t max_bytes, int threads);

}  // namespace gptq
