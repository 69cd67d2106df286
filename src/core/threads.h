// A fixed pool of threads that splits index ranges; the only threading primitive of the compute rooms.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace gptq {

class ThreadPool {
 public:
  explicit ThreadPool(int threads);  // the calling thread counts as one of them; 0 = all hardware threads
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
