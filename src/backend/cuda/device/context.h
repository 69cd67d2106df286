// One GPU: its stream, memory and library handles, and the checking of CUDA calls.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "backend/backend.h"
#include "backend/cuda/device/blas.h"
#include "backend/cuda/device/staging.h"

namespace gptq::backend::cuda {

// Throws Error for a failed call: kOutOfMemory with advice, otherwise kGeneral naming the call or reporting a lost GPU.
void check(cudaError_t status, const char* call);
#define GPTQ_CUDA(call) ::gptq::backend::cuda::check((call), #call)

// After a launch: reports launch errors with the kernel's name and shape.
void check_launch(const char* kernel, int64_t rows, int64_t cols);

// Device memory of a process outside its pool: the driver's context, the code of the kernels, cuBLAS and its workspace.
inline constexpr size_t kDriverBytes = size_t{640} << 20;

class Context;

// Device memory that returns to the pool in stream order. Movable.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Context& context, size_t bytes);
  Buffer(Buffer&& other) noexcept { *this = static_cast<Buffer&&>(other); }
  Buffer& operator=(Buffer&& other) noexcept;
  ~Buffer();

  template <typename T = std::byte>
  T* as() const {
    return static_cast<T*>(data_);
  }
  size_t bytes() const { return bytes_; }

 private:
  Context* context_ = nullptr;
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

// All work of a backend is queued on one stream; memory is allocated and freed in stream order, in a separate pool.
class Context {
 public:
  // `device` is a GPU without a problem in gpu_state() (backend/cuda_backend.h). `max_bytes` > 0 limits the device
  // memory of the process: the pool, including freed memory that it keeps, and kDriverBytes; Error(kUsage) if it is not
  // larger than kDriverBytes.
  explicit Context(int device, int64_t max_bytes = 0, int threads = 0);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  int device() const { return device_; }
  cudaStream_t stream() const { return stream_; }
  int multiprocessors() const { return properties_.multiProcessorCount; }
  int shared_bytes_per_block() const { return static_cast<int>(properties_.sharedMemPerBlockOptin); }
  int shared_bytes_per_multiprocessor() const { return static_cast<int>(properties_.sharedMemPerMultiprocessor); }
  int64_t l2_bytes() const { return properties_.l2CacheSize; }
  bool has_dependent_launch() const { return properties_.major >= 9; }
  std::string name() const { return properties_.name; }
  const Blas& blas() const { return *blas_; }

  // Throws Error(kOutOfMemory) beyond the limit or the device's memory.
  void* allocate(size_t bytes);
  DeviceMemory memory() const;
  void free(void* data, size_t bytes) noexcept;

  void upload(void* to, const void* from, size_t bytes) { staging_->upload(to, from, bytes, stream_); }
  ThreadPool& pool() { return staging_->pool(); }

  void synchronize() const { GPTQ_CUDA(cudaStreamSynchronize(stream_)); }

 private:
  int device_ = 0;
  cudaDeviceProp properties_{};
  cudaStream_t stream_ = nullptr;
  cudaMemPool_t pool_ = nullptr;
  size_t cap_ = 0, used_ = 0;  // of the pool; 0: no limit
  std::unique_ptr<Blas> blas_;
  std::unique_ptr<Staging> staging_;
};

}  // namespace gptq::backend::cuda
