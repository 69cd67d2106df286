// One thread per connection.
#include "hub/http/workers.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "core/threads.h"

namespace gptq::hub {

void run_workers(size_t count, int workers, const Settings& settings, TransferMonitor& monitor,
                 const std::function<void(HttpClient& client, size_t i)>& task, const std::function<void()>& on_idle) {
  std::atomic<size_t> next = 0;
  std::exception_ptr failure;
  std::mutex mutex;  // guards failure
  const auto work = [&] {
    try {
      HttpClient client(settings);
      for (size_t i = next++; i < count; i = next++) task(client, i);
      on_idle();
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (failure == nullptr) failure = std::current_exception();
      monitor.stop();
    }
  };
  {
    std::vector<std::jthread> threads;
    const size_t max_workers = static_cast<size_t>(std::max(1, workers)), size = std::min(count, max_workers);
    for (size_t i = size; i < max_workers; ++i) on_idle();
    for (size_t i = 0; i < size; ++i) {
      try {
        threads.push_back(start_thread(work));
      } catch (...) {
        if (threads.empty()) throw;
        for (; i < size; ++i) on_idle();  // the running threads do the remaining work
      }
    }
  }
  if (failure != nullptr) std::rethrow_exception(failure);
}

}  // namespace gptq::hub
