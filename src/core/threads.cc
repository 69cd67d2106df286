// The pool: workers spin briefly for the next loop (a decode step has dozens), then sleep.
#include "core/threads.h"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <vector>

#include <gptq/error.h>

namespace gptq {

namespace {
constexpr int kSpins = 4000;  // a few microseconds: longer than the gap between two loops of a decode step
}

std::jthread start_thread(std::function<void()> body) {
  try {
    return std::jthread(std::move(body));
  } catch (const std::system_error& error) {
    throw Error(ErrorKind::kGeneral,
                std::string("starting a thread: ") + error.code().message() +
                    "; use fewer --threads, or raise the limit on processes and threads (ulimit -u, the container's "
                    "pids limit) or on memory (ulimit -v)");
  }
}

struct ThreadPool::Shared {
  std::mutex mutex;
  std::condition_variable wake;
  std::atomic<uint64_t> generation{0};
  std::atomic<bool> stop{false};
  std::atomic<int64_t> next{0};
  std::atomic<int> busy{0};
  int64_t count = 0;
  const std::function<void(int64_t)>* body = nullptr;
  std::exception_ptr failure;

  void work() {
    for (int64_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) {
      try {
        (*body)(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
        next.store(count);
      }
    }
  }

  void run() {
    uint64_t seen = 0;
    while (true) {
      for (int spin = 0; spin < kSpins && generation.load(std::memory_order_acquire) == seen; ++spin) {
        if (stop.load(std::memory_order_relaxed)) return;
      }
      if (generation.load(std::memory_order_acquire) == seen) {
        std::unique_lock lock(mutex);
        wake.wait(lock, [&] { return stop.load() || generation.load() != seen; });
      }
      if (stop.load()) return;
      seen = generation.load(std::memory_order_acquire);
      work();
      busy.fetch_sub(1, std::memory_order_release);
    }
  }

  ~Shared() {
    {
      const std::lock_guard lock(mutex);
      stop.store(true);
    }
    wake.notify_all();
  }

  std::vector<std::jthread> workers;  // destroyed first, after the destructor's body: joined
};

ThreadPool::ThreadPool(int threads) : shared_(std::make_unique<Shared>()) {
  threads_ = threads > 0 ? threads : static_cast<int>(std::thread::hardware_concurrency());
  if (threads_ < 1) threads_ = 1;
  for (int i = 1; i < threads_; ++i) {
    shared_->workers.push_back(start_thread([shared = shared_.get()] { shared->run(); }));
  }
}

ThreadPool::~ThreadPool() = default;

void ThreadPool::parallel_for(int64_t count, const std::function<void(int64_t)>& body) {
  if (threads_ == 1 || count <= 1) {
    for (int64_t i = 0; i < count; ++i) body(i);
    return;
  }
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->count = count;
    shared_->body = &body;
    shared_->failure = nullptr;
    shared_->next.store(0);
    shared_->busy.store(threads_ - 1);
    shared_->generation.fetch_add(1, std::memory_order_release);
  }
  shared_->wake.notify_all();
  shared_->work();
  while (shared_->busy.load(std::memory_order_acquire) != 0) std::this_thread::yield();
  if (shared_->failure) std::rethrow_exception(shared_->failure);
}

}  // namespace gptq
