// How far a transfer of several files is: counted by all workers, told to one sink, stopped by anybody.
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

  void expect(int64_t bytes_total, int files_total);  // from now on, starting at nothing
  void add(const std::string& file, int64_t bytes);   // negative: these have to come again
  void finish_file(const std::string& file);

  // False once the sink has said so or stop() was called. Tells the sink now and then, so that it can say so also
  // while nothing arrives.
  bool should_continue();
  void stop() { stopped_ = true; }

 private:
  void report(const std::string& file);  // when it is time
  void call(const std::string& file);    // now; mutex_ is held

  TransferSink sink_;
  std::atomic<bool> stopped_ = false;
  std::atomic<int64_t> bytes_done_ = 0;
  std::atomic<int64_t> reported_at_ = 0;  // nanoseconds
  std::mutex mutex_;                      // guards all below and the sink
  TransferProgress progress_;
};

}  // namespace gptq::hub
