// Long calls: they run without the GIL on a thread that can be stopped with Ctrl-C.
#pragma once

#include <nanobind/nanobind.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>
#include <type_traits>
#include <utility>

namespace nb = nanobind;

// One thread that runs what it is given, one call after the other. What it makes (an engine with its GPU) is used on this
// thread only, so that calls from several Python threads are serialised.
class Worker {
 public:
  Worker() : thread_([this] { work(); }) {}
  ~Worker() {
    const nb::gil_scoped_release release;  // the last call may be waiting for the GIL
    {
      const std::lock_guard lock(mutex_);
      ends_ = true;
    }
    condition_.notify_all();
    thread_.join();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Runs call(stop_token) on the thread and returns its result. Called with the GIL, which is free meanwhile; a call that
  // uses Python objects acquires it. On Ctrl-C in the main thread a stop is requested and KeyboardInterrupt is raised
  // once the call has ended.
  template <typename Call>
  auto run(Call call) {
    using Result = std::invoke_result_t<Call, std::stop_token>;
    const auto stop = std::make_shared<std::stop_source>();
    const auto task = std::make_shared<std::packaged_task<Result()>>([call, stop] { return call(stop->get_token()); });
    std::future<Result> result = task->get_future();
    {
      const nb::gil_scoped_release release;
      const std::lock_guard lock(mutex_);
      calls_.push_back([task] { (*task)(); });
      condition_.notify_all();
    }
    if (!wait(result, *stop)) throw nb::python_error();
    return result.get();
  }

 private:
  // False when a signal handler raised an exception, which is then set.
  template <typename Result>
  static bool wait(std::future<Result>& result, std::stop_source& stop) {
    const auto ready = [&](std::chrono::milliseconds patience) {
      const nb::gil_scoped_release release;
      return result.wait_for(patience) == std::future_status::ready;
    };
    while (!ready(std::chrono::milliseconds(50))) {
      if (PyErr_CheckSignals() == 0) continue;
      stop.request_stop();
      PyObject *type = nullptr, *value = nullptr, *trace = nullptr;  // kept while the call ends
      PyErr_Fetch(&type, &value, &trace);
      const nb::gil_scoped_release release;
      result.wait();
      const nb::gil_scoped_acquire acquire;
      PyErr_Restore(type, value, trace);
      return false;
    }
    return true;
  }

  void work() {
    for (;;) {
      std::function<void()> call;
      {
        std::unique_lock lock(mutex_);
        condition_.wait(lock, [this] { return ends_ || !calls_.empty(); });
        if (calls_.empty()) return;
        call = std::move(calls_.front());
        calls_.pop_front();
      }
      call();
    }
  }

  std::mutex mutex_;
  std::condition_variable condition_;
  std::deque<std::function<void()>> calls_;
  bool ends_ = false;
  std::thread thread_;
};
