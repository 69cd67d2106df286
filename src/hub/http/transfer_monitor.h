// Progress of a transfer of several files: counted by all workers, reported to one callback, cancelled by any of them.
#pragma once

#include <gptq/hub.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace gptq::hub {

class TransferMonitor {
 public:
  explicit TransferMonitor(const TransferSink& sink) : sink_(sink) {}

  void expect(int64_t bytes_total, int files_total);  // sets the totals and resets the counters
  void add(const std::string& file, int64_t bytes);   // negative: these bytes have to be transferred again
  void finish_file(const std::string& file);

  // False once the callback returned false or stop() was called. Also reports from time to time, so that the callback
  // can cancel while no bytes arrive.
  bool should_continue();
  void stop() { stopped_ = true; }

 private:
  void report(const std::string& file);  // if the interval has passed
  void call(const std::string& file);    // at once; requires mutex_

  TransferSink sink_;
  std::atomic<bool> stopped_ = false;
  std::atomic<int64_t> bytes_done_ = 0;
  std::atomic<int64_t> reported_at_ = 0;  // nanoseconds
  std::mutex mutex_;                      // guards everything below and the callback
  TransferProgress progress_;
};

}  // namespace gptq::hub
