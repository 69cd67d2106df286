// A background thread that runs tasks in order, with a limit on the memory they hold.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace gptq {

// After the first exception of a task, later tasks are dropped and every later call rethrows it.
class BackgroundThread {
 public:
  explicit BackgroundThread(int64_t max_bytes);  // throws like start_thread()
  ~BackgroundThread();                           // runs the remaining tasks and ignores their failures
  BackgroundThread(const BackgroundThread&) = delete;
  BackgroundThread& operator=(const BackgroundThread&) = delete;

  // Queues a task that holds `bytes` until it is done; waits while unfinished tasks hold more than max_bytes. A task of
  // any size is accepted once the ones before it are done.
  void add(int64_t bytes, std::function<void()> task);

  void drain();  // returns when all tasks are done

 private:
  struct Task {
    int64_t bytes = 0;
    std::function<void()> body;
  };
  void run();
  void wait_while(std::unique_lock<std::mutex>& lock, const std::function<bool()>& condition);

  const int64_t max_bytes_;
  std::mutex mutex_;  // guards everything below
  std::condition_variable added_, done_;
  std::deque<Task> tasks_;  // the front one is running
  int64_t bytes_ = 0;       // of tasks_
  bool stop_ = false;
  std::exception_ptr failure_;
  std::jthread thread_;
};

}  // namespace gptq
