// A ring of pinned buffers between mapped files and the GPU.
#include "backend/cuda/device/staging.h"

#include <algorithm>
#include <cstring>

#include "backend/cuda/device/context.h"

namespace gptq::backend::cuda {

namespace {

constexpr size_t kSlotBytes = size_t{16} << 20;
constexpr size_t kPieceBytes = size_t{512} << 10;  // of one task: page faults of a mapped file occur in parallel
constexpr size_t kSmallBytes = size_t{64} << 10;   // below this, the driver's own copy is as fast

}  // namespace

Staging::~Staging() {
  for (Slot& slot : slots_) {
    if (slot.empty != nullptr) cudaEventDestroy(slot.empty);
    if (slot.memory != nullptr) cudaFreeHost(slot.memory);
  }
}

void Staging::upload(void* to, const void* from, size_t bytes, cudaStream_t stream) {
  if (bytes <= kSmallBytes) {
    if (bytes > 0) GPTQ_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream));
    return;
  }
  for (size_t done = 0; done < bytes;) {
    Slot& slot = slots_[next_++ % slots_.size()];
    if (slot.memory == nullptr) {
      GPTQ_CUDA(cudaMallocHost(reinterpret_cast<void**>(&slot.memory), kSlotBytes));
      GPTQ_CUDA(cudaEventCreateWithFlags(&slot.empty, cudaEventDisableTiming));
    } else {
      GPTQ_CUDA(cudaEventSynchronize(slot.empty));
    }
    const size_t count = std::min(kSlotBytes, bytes - done);
    const std::byte* source = static_cast<const std::byte*>(from) + done;
    pool_.parallel_for(static_cast<int64_t>((count + kPieceBytes - 1) / kPieceBytes), [&](int64_t i) {
      const size_t begin = static_cast<size_t>(i) * kPieceBytes;
      std::memcpy(slot.memory + begin, source + begin, std::min(kPieceBytes, count - begin));
    });
    GPTQ_CUDA(cudaMemcpyAsync(static_cast<std::byte*>(to) + done, slot.memory, count, cudaMemcpyHostToDevice, stream));
    GPTQ_CUDA(cudaEventRecord(slot.empty, stream));
    done += count;
  }
}

}  // namespace gptq::backend::cuda
