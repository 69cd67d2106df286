// Copies of host memory to the GPU at full bus rate: threads fill pinned buffers, which the copy engine transfers.
#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>

#include "core/threads.h"

namespace gptq::backend::cuda {

class Staging {
 public:
  explicit Staging(int threads) : pool_(threads) {}
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  // Queues a copy of `bytes`; `from` may be reused as soon as this returns.
  void upload(void* to, const void* from, size_t bytes, cudaStream_t stream);
  ThreadPool& pool() { return pool_; }

 private:
  struct Slot {
    std::byte* memory = nullptr;  // pinned, made at first use
    cudaEvent_t empty = nullptr;
  };
  ThreadPool pool_;
  std::array<Slot, 4> slots_;
  size_t next_ = 0;
};

}  // namespace gptq::backend::cuda
