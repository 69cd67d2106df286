// Copies between pinned host memory and the GPU that run beside the operations: one stream for each direction.
#pragma once

#include <cstddef>

#include "backend/cuda/device/context.h"

namespace gptq::backend::cuda {

// The order of transfers and operations is that of backend.h.
class Transfers {
 public:
  explicit Transfers(Context& context);
  ~Transfers();
  Transfers(const Transfers&) = delete;
  Transfers& operator=(const Transfers&) = delete;

  // Pinned memory. Throws Error(kOutOfMemory) when the system has or pins no more.
  std::byte* allocate_host(size_t bytes);
  void free_host(std::byte* memory) noexcept;  // waits for the transfers called so far

  void fetch(void* to, const void* host, size_t bytes);
  void store(void* host, const void* from, size_t bytes);
  void await_fetches();

  // Device memory that is freed from now on is used again when the transfers called so far are done.
  void release() noexcept;
  void synchronize() const;

 private:
  Context& context_;
  cudaStream_t in_ = nullptr, out_ = nullptr;
  // Recorded again and again: a wait is for what was recorded last when the wait was called.
  cudaEvent_t called_ = nullptr, fetched_ = nullptr, stored_ = nullptr;
  bool in_flight_ = false;  // transfers that the operations' stream has not waited for
};

}  // namespace gptq::backend::cuda
