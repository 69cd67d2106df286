// Opening a GPU, its memory pool, and conversion of CUDA's status codes to error messages.
#include "backend/cuda/device/context.h"

#include <algorithm>
#include <string>

#include <gptq/error.h>

namespace gptq::backend::cuda {

namespace {

constexpr size_t kLoadedLater = size_t{256} << 20;

std::string size_in_words(size_t bytes) {
  const bool large = bytes >= size_t{1} << 30;
  const size_t tenths = bytes * 10 / (size_t{1} << (large ? 30 : 20));
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + (large ? " GiB" : " MiB");
}

bool is_lost(cudaError_t status) {
  return status == cudaErrorDevicesUnavailable || status == cudaErrorECCUncorrectable ||
         status == cudaErrorHardwareStackError || status == cudaErrorUnknown || status == cudaErrorNoDevice;
}

}  // namespace

void check(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  const std::string reason = std::string(cudaGetErrorName(status)) + ", " + cudaGetErrorString(status);
  if (status == cudaErrorMemoryAllocation) {
    throw Error(ErrorKind::kOutOfMemory, "the GPU's memory is full (" + std::string(call) +
                                             "); close other programs on it, or use a smaller --max-gpu-memory, "
                                             "--samples or --seqlen");
  }
  if (is_lost(status)) {
    throw Error(ErrorKind::kGeneral, "the GPU was lost while working (" + std::string(call) + ": " + reason +
                                         "); look at `nvidia-smi` and the system log; an interrupted quantization can "
                                         "be continued with --resume");
  }
  throw Error(ErrorKind::kGeneral, "a CUDA call failed: " + std::string(call) + ": " + reason +
                                       "; try --device cpu, and report it with the command and the GPU's name");
}

void check_launch(const char* kernel, int64_t rows, int64_t cols) {
  const cudaError_t status = cudaPeekAtLastError();
  if (status == cudaSuccess) return;
  check(cudaGetLastError(),
        (std::string(kernel) + " [" + std::to_string(rows) + ", " + std::to_string(cols) + "]").c_str());
}

Buffer::Buffer(Context& context, size_t bytes) : context_(&context), data_(context.allocate(bytes)), bytes_(bytes) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(context_, other.context_);
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

Buffer::~Buffer() {
  if (data_ != nullptr) context_->free(data_, bytes_);
}

Context::Context(int device, int64_t max_bytes, int threads) : device_(device) {
  if (max_bytes > 0) {
    if (static_cast<size_t>(max_bytes) <= kDriverBytes) {
      throw Error(ErrorKind::kUsage, "--max-gpu-memory is " + size_in_words(static_cast<size_t>(max_bytes)) +
                                         ", and CUDA and cuBLAS alone take " + size_in_words(kDriverBytes) +
                                         "; increase it, or use --device cpu");
    }
    cap_ = static_cast<size_t>(max_bytes) - kDriverBytes;
  }
  GPTQ_CUDA(cudaSetDevice(device));
  GPTQ_CUDA(cudaGetDeviceProperties(&properties_, device));
  GPTQ_CUDA(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
  cudaMemPoolProps pool{};
  pool.allocType = cudaMemAllocationTypePinned;
  pool.location = {cudaMemLocationTypeDevice, device};
  pool.maxSize = cap_;
  GPTQ_CUDA(cudaMemPoolCreate(&pool_, &pool));
  uint64_t keep = UINT64_MAX;  // the pool keeps freed memory: allocation by the driver takes milliseconds
  GPTQ_CUDA(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &keep));
  blas_ = std::make_unique<Blas>(stream_);
  staging_ = std::make_unique<Staging>(threads);
}

Context::~Context() {
  cudaStreamSynchronize(stream_);
  staging_.reset();
  blas_.reset();
  cudaMemPoolDestroy(pool_);
  cudaStreamDestroy(stream_);
}

void* Context::allocate(size_t bytes) {
  bytes = std::max<size_t>(bytes, 16);
  if (cap_ != 0 && used_ + bytes > cap_) {
    throw Error(ErrorKind::kOutOfMemory, "allocating " + size_in_words(bytes) + " on the GPU: " + size_in_words(used_) +
                                             " are in use and --max-gpu-memory allows " + size_in_words(cap_) +
                                             " in addition to CUDA's own memory; increase it");
  }
  void* data = nullptr;
  cudaError_t status = cudaMallocFromPoolAsync(&data, bytes, pool_, stream_);
  if (status == cudaErrorMemoryAllocation) {
    // Free memory of the pool may be fragmented: return it to the driver and retry.
    cudaGetLastError();
    synchronize();
    GPTQ_CUDA(cudaMemPoolTrimTo(pool_, 0));
    status = cudaMallocFromPoolAsync(&data, bytes, pool_, stream_);
  }
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    size_t available = 0, total = 0;
    cudaMemGetInfo(&available, &total);
    throw Error(ErrorKind::kOutOfMemory,
                "allocating " + size_in_words(bytes) + " on " + properties_.name + ": " + size_in_words(used_) +
                    " are in use by this program and " + size_in_words(available) + " of " + size_in_words(total) +
                    " are free; close other programs on it, or use a smaller --max-gpu-memory, --samples, --seqlen "
                    "or context");
  }
  check(status, "cudaMallocFromPoolAsync");
  used_ += bytes;
  return data;
}

DeviceMemory Context::memory() const {
  uint64_t reserved = 0, peak = 0;
  size_t available = 0, total = 0;
  GPTQ_CUDA(cudaMemPoolGetAttribute(pool_, cudaMemPoolAttrReservedMemCurrent, &reserved));
  GPTQ_CUDA(cudaMemPoolGetAttribute(pool_, cudaMemPoolAttrReservedMemHigh, &peak));
  GPTQ_CUDA(cudaMemGetInfo(&available, &total));
  // The driver's memory grows as kernels are loaded.
  available = available > kLoadedLater ? available - kLoadedLater : 0;
  available += reserved - std::min<size_t>(reserved, used_);
  if (cap_ != 0) available = std::min(available, cap_ - used_);
  return {static_cast<int64_t>(available), static_cast<int64_t>(peak + kDriverBytes)};
}

void Context::free(void* data, size_t bytes) noexcept {
  cudaFreeAsync(data, stream_);
  used_ -= std::max<size_t>(bytes, 16);
}

}  // namespace gptq::backend::cuda
