// Copies between pinned host memory and the GPU, concurrent with the operations: one stream for each direction.
#pragma once

#include <cstddef>

#include "backend/cuda/device/context.h"

namespace gptq::backend::cuda {

// The order of transfers and operations is defined in backend/memory.h.
class Transfers {
 public:
  explicit Transfers(Context& context);
  ~Transfers();
  Transfers(const Transfers&) = delete;
  Transfers& operator=(const Transfers&) = delete;

  // Pinned memory. Throws Error(kOutOfMemory) if it cannot be allocated or pinned.
  std::byte* allocate_host(size_t bytes);
  void free_host(std::byte* memory) noexcept;  // waits for earlier transfers

  void fetch(void* to, const void* host, size_t bytes);
  void store(void* host, const void* from, size_t bytes);
  void await_fetches();

  // Device memory freed after this call is reused only after earlier transfers are done.
  void release() noexcept;
  void synchronize() const;

 private:
  Context& context_;
  cudaStream_t in_ = nullptr, out_ = nullptr;
  // Recorded repeatedly: a wait refers to the last record before the wait was called.
  cudaEvent_t called_ = nullptr, fetched_ = nullptr, stored_ = nullptr;
  bool in_flight_ = false;  // transfers that the operations' stream has not waited for
};

}  // namespace gptq::backend::cuda
