// Events between three streams, and fast pinning of memory.
#include "backend/cuda/device/transfers.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include <gptq/error.h>

namespace gptq::backend::cuda {

namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kPage = size_t{4} << 10;

void wait(cudaStream_t stream, cudaEvent_t event) { GPTQ_CUDA(cudaStreamWaitEvent(stream, event, 0)); }

}  // namespace

Transfers::Transfers(Context& context) : context_(context) {
  for (cudaStream_t* stream : {&in_, &out_}) GPTQ_CUDA(cudaStreamCreateWithFlags(stream, cudaStreamNonBlocking));
  for (cudaEvent_t* event : {&called_, &fetched_, &stored_}) {
    GPTQ_CUDA(cudaEventCreateWithFlags(event, cudaEventDisableTiming));
  }
}

Transfers::~Transfers() {
  for (cudaStream_t stream : {in_, out_}) {
    cudaStreamSynchronize(stream);
    cudaStreamDestroy(stream);
  }
  for (cudaEvent_t event : {called_, fetched_, stored_}) cudaEventDestroy(event);
}

// The system allocates pages at first access, which is fast with several threads and large pages; pinning allocated
// pages costs little. cudaMallocHost does both with one thread, at a few GB per second.
std::byte* Transfers::allocate_host(size_t bytes) {
  bytes = (std::max<size_t>(bytes, 1) + kHugePage - 1) / kHugePage * kHugePage;
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(kHugePage, bytes));
  const std::string what = "pinning " + std::to_string(bytes >> 20) + " MiB of host memory for the GPU: ";
  const std::string advice =
      "; close other programs, or use fewer --samples, a shorter --seqlen or more "
      "--max-gpu-memory";
  if (memory == nullptr) throw Error(ErrorKind::kOutOfMemory, what + "the system has no memory left" + advice);
  ::madvise(memory, bytes, MADV_HUGEPAGE);
  context_.pool().parallel_for(static_cast<int64_t>(bytes / kHugePage), [&](int64_t i) {
    volatile std::byte* pages = memory + static_cast<size_t>(i) * kHugePage;
    for (size_t at = 0; at < kHugePage; at += kPage) pages[at] = std::byte{0};
  });
  const cudaError_t status = cudaHostRegister(memory, bytes, cudaHostRegisterDefault);
  if (status != cudaSuccess) {
    cudaGetLastError();
    std::free(memory);
    throw Error(ErrorKind::kOutOfMemory, what + "the driver failed (" + cudaGetErrorString(status) + ")" + advice);
  }
  return memory;
}

void Transfers::free_host(std::byte* memory) noexcept {
  for (cudaStream_t stream : {in_, out_}) cudaStreamSynchronize(stream);
  cudaHostUnregister(memory);
  std::free(memory);
}

void Transfers::fetch(void* to, const void* host, size_t bytes) {
  if (bytes == 0) return;
  GPTQ_CUDA(cudaEventRecord(called_, context_.stream()));
  wait(in_, called_);
  wait(in_, stored_);
  GPTQ_CUDA(cudaMemcpyAsync(to, host, bytes, cudaMemcpyHostToDevice, in_));
  GPTQ_CUDA(cudaEventRecord(fetched_, in_));
  in_flight_ = true;
}

void Transfers::store(void* host, const void* from, size_t bytes) {
  if (bytes == 0) return;
  GPTQ_CUDA(cudaEventRecord(called_, context_.stream()));
  wait(out_, called_);
  GPTQ_CUDA(cudaMemcpyAsync(host, from, bytes, cudaMemcpyDeviceToHost, out_));
  GPTQ_CUDA(cudaEventRecord(stored_, out_));
  in_flight_ = true;
}

void Transfers::await_fetches() { wait(context_.stream(), fetched_); }

void Transfers::release() noexcept {
  if (!in_flight_) return;
  cudaStreamWaitEvent(context_.stream(), fetched_, 0);
  cudaStreamWaitEvent(context_.stream(), stored_, 0);
  in_flight_ = false;
}

void Transfers::synchronize() const {
  for (cudaStream_t stream : {in_, out_}) GPTQ_CUDA(cudaStreamSynchronize(stream));
}

}  // namespace gptq::backend::cuda
