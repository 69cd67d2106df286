// The end of the interpreter: no thread may be in native code then, where it could not be ended.
#pragma once

#include <nanobind/nanobind.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <set>
#include <stop_token>

namespace nb = nanobind;

// Calls that run without the GIL. At the end of the interpreter they are stopped, if they can be, and awaited.
class RunningCalls {
 public:
  static RunningCalls& all() {
    static auto* const calls = new RunningCalls;  // never destroyed: threads may outlive static objects
    return *calls;
  }

  // Called with the GIL. `stop` is null for a call that cannot be stopped. At the end of the interpreter it raises
  // SystemExit, which ends a thread without a message.
  void begin(std::stop_source* stop) {
    const std::lock_guard lock(mutex_);
    if (ending_ && ::getpid() == process_) {
      PyErr_SetNone(PyExc_SystemExit);
      throw nb::python_error();
    }
    calls_.insert(stop);
  }
  void end(std::stop_source* stop) {
    const std::lock_guard lock(mutex_);
    calls_.erase(calls_.find(stop));
    condition_.notify_all();
  }
  // Called with the GIL by the handler of atexit. A child made by fork() has no such threads.
  void finish() {
    if (::getpid() != process_) return;
    const nb::gil_scoped_release release;
    std::unique_lock lock(mutex_);
    ending_ = true;
    for (std::stop_source* stop : calls_) {
      if (stop != nullptr) stop->request_stop();
    }
    condition_.wait(lock, [this] { return calls_.empty(); });
  }

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  std::multiset<std::stop_source*> calls_;
  bool ending_ = false;
  const pid_t process_ = ::getpid();
};

// A call from its beginning to its end, both with the GIL.
class RunningCall {
 public:
  explicit RunningCall(std::stop_source* stop = nullptr) : stop_(stop) { RunningCalls::all().begin(stop_); }
  ~RunningCall() { RunningCalls::all().end(stop_); }
  RunningCall(const RunningCall&) = delete;
  RunningCall& operator=(const RunningCall&) = delete;

 private:
  std::stop_source* stop_;
};

// Releases the GIL for a call that cannot be stopped; also as nb::call_guard. The end of the interpreter waits for it.
class WithoutGil {
 private:
  RunningCall call_;  // ends after the GIL is back
  nb::gil_scoped_release released_;
};
