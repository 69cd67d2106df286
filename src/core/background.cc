// The queue between a caller and its background thread.
#include "core/background.h"

#include <utility>

#include "core/threads.h"

namespace gptq {

BackgroundThread::BackgroundThread(int64_t max_bytes)
    : max_bytes_(max_bytes), thread_(start_thread([this] { run(); })) {}

BackgroundThread::~BackgroundThread() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  added_.notify_all();
  thread_.join();
}

void BackgroundThread::add(int64_t bytes, std::function<void()> task) {
  std::unique_lock lock(mutex_);
  wait_while(lock, [&] { return !tasks_.empty() && bytes_ + bytes > max_bytes_; });
  tasks_.push_back({bytes, std::move(task)});
  bytes_ += bytes;
  added_.notify_one();
}

void BackgroundThread::drain() {
  std::unique_lock lock(mutex_);
  wait_while(lock, [&] { return !tasks_.empty(); });
}

void BackgroundThread::wait_while(std::unique_lock<std::mutex>& lock, const std::function<bool()>& condition) {
  done_.wait(lock, [&] { return failure_ || !condition(); });
  if (failure_) std::rethrow_exception(failure_);
}

void BackgroundThread::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    added_.wait(lock, [&] { return stop_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    Task& task = tasks_.front();  // its address is stable while others are added
    std::exception_ptr failure;
    lock.unlock();
    try {
      task.body();
    } catch (...) {
      failure = std::current_exception();
    }
    task.body = nullptr;  // its captures are freed before completion is signalled
    lock.lock();
    bytes_ -= task.bytes;
    tasks_.pop_front();
    if (failure) {
      failure_ = failure;
      tasks_.clear();
      done_.notify_all();
      return;
    }
    done_.notify_all();
  }
}

}  // namespace gptq
