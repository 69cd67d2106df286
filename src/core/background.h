// One thread that does tasks behind the caller's back, in order and at most some bytes late.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace gptq {

// The first exception of a task ends the work: tasks behind it are dropped, and every later call rethrows it.
class BackgroundThread {
 public:
  explicit BackgroundThread(int64_t max_bytes);  // throws what start_thread() does
  ~BackgroundThread();                           // does the tasks it still has, without saying how they went
  BackgroundThread(const BackgroundThread&) = delete;
  BackgroundThread& operator=(const BackgroundThread&) = delete;

  // Hands over a task that holds `bytes` until it is done; waits while tasks that hold more than max_bytes together
  // are not done. A task of any size passes once the ones before it are done.
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
  std::mutex mutex_;  // guards all below
  std::condition_variable added_, done_;
  std::deque<Task> tasks_;  // the first one is being done
  int64_t bytes_ = 0;       // of tasks_
  bool stop_ = false;
  std::exception_ptr failure_;
  std::jthread thread_;
};

}  // namespace gptq
