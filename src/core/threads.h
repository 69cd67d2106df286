// A fixed pool of threads that splits index ranges; the only threading primitive of numerical code.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

namespace gptq {

// Starts a thread that runs `body`. Throws Error(kGeneral), with advice, when the system refuses another one.
std::jthread start_thread(std::function<void()> body);

class ThreadPool {
 public:
  // The calling thread counts as one; 0 = all hardware threads. Throws Error(kGeneral) when the system
  // refuses that many.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  int size() const { return threads_; }

  // Calls body(i) for every i in [0, count), spread over the pool, and returns when all are done. The first
  // exception thrown by a body is rethrown here. Not reentrant: a body must not start another loop.
  void parallel_for(int64_t count, const std::function<void(int64_t)>& body);

 private:
  struct Shared;
  int threads_;
  std::unique_ptr<Shared> shared_;
};

}  // namespace gptq
