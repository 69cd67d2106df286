// Long calls: they run without the GIL on a thread that can be stopped with Ctrl-C.
#pragma once

#include <gptq/error.h>
#include <nanobind/nanobind.h>
#include <unistd.h>

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

#include "running_calls.h"

// One thread that runs what it is given, one call after the other. What it makes (an engine with its GPU) is used on this
// thread only, so that calls from several Python threads are serialised.
class WorkerThread {
 public:
  WorkerThread() : thread_([this] { work(); }) {}
  ~WorkerThread() {
    {
      const std::lock_guard lock(mutex_);
      ends_ = true;
    }
    condition_.notify_all();
    thread_.join();
  }

  using Call = std::shared_ptr<std::function<void()>>;
  bool is_current() const { return std::this_thread::get_id() == thread_.get_id(); }
  void add(Call call) {
    const std::lock_guard lock(mutex_);
    calls_.push_back(std::move(call));
    condition_.notify_all();
  }
  // False when the call has begun.
  bool remove(const Call& call) {
    const std::lock_guard lock(mutex_);
    return std::erase(calls_, call) > 0;
  }

 private:
  void work() {
    for (;;) {
      Call call;
      {
        std::unique_lock lock(mutex_);
        condition_.wait(lock, [this] { return ends_ || !calls_.empty(); });
        if (calls_.empty()) return;
        call = std::move(calls_.front());
        calls_.pop_front();
      }
      (*call)();
    }
  }

  std::mutex mutex_;
  std::condition_variable condition_;
  std::deque<Call> calls_;
  bool ends_ = false;
  std::thread thread_;
};

class Worker {
 public:
  Worker() : thread_(std::make_unique<WorkerThread>()) {}
  // In a child made by fork() nothing is freed: the thread does not exist there.
  ~Worker() {
    if (!here()) {
      (void)thread_.release();
      return;
    }
    // With the GIL: the thread is idle, since run() returns only after its call. Without it, the end of the interpreter
    // would end this thread here.
    thread_.reset();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Throws Error(kGeneral), a RuntimeError in Python, in a child made by fork().
  void check_process() const {
    if (here()) return;
    throw gptq::Error(
        gptq::ErrorKind::kGeneral,
        "using a model in a child made by fork(): it belongs to the parent process; load it in the child, or "
        "start processes with the method \"spawn\"");
  }

  // Runs call(stop_token) on the thread and returns its result. Called with the GIL, which is free meanwhile; a call that
  // uses Python objects acquires it. On Ctrl-C in the main thread a stop is requested and KeyboardInterrupt is raised
  // once the call has ended, or at once when it has not begun. Throws Error(kGeneral) on the thread itself, and what
  // check_process and RunningCall throw.
  template <typename Call>
  auto run(Call call) {
    using Result = std::invoke_result_t<Call, std::stop_token>;
    check_process();
    if (thread_->is_current()) {
      throw gptq::Error(
          gptq::ErrorKind::kGeneral,
          "using a model in a callback of the same model: its call has not ended; use the model after it, "
          "or another one");
    }
    std::stop_source stop;
    const RunningCall running(&stop);
    const auto task = std::make_shared<std::packaged_task<Result()>>([&call, &stop] { return call(stop.get_token()); });
    std::future<Result> result = task->get_future();
    const auto queued = std::make_shared<std::function<void()>>([task] { (*task)(); });
    thread_->add(queued);
    if (!wait(result, stop, queued)) throw nb::python_error();
    return result.get();
  }

 private:
  // False when a signal handler raised an exception, which is then set.
  template <typename Result>
  bool wait(std::future<Result>& result, std::stop_source& stop, const WorkerThread::Call& call) {
    const auto ready = [&](std::chrono::milliseconds patience) {
      const nb::gil_scoped_release release;
      return result.wait_for(patience) == std::future_status::ready;
    };
    while (!ready(std::chrono::milliseconds(50))) {
      if (PyErr_CheckSignals() == 0) continue;
      if (thread_->remove(call)) return false;
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

  bool here() const { return ::getpid() == process_; }

  std::unique_ptr<WorkerThread> thread_;
  const pid_t process_ = ::getpid();
};
