// Thread-safe transfer counters; reports a few times per second.
#include "hub/http/transfer_monitor.h"

namespace gptq::hub {

namespace {

constexpr int64_t kReportInterval = 100'000'000;  // nanoseconds

int64_t nanoseconds() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

}  // namespace

void TransferMonitor::expect(int64_t bytes_total, int files_total) {
  const std::lock_guard lock(mutex_);
  progress_ = {"", 0, bytes_total, 0, files_total};
  bytes_done_ = 0;
}

void TransferMonitor::add(const std::string& file, int64_t bytes) {
  bytes_done_ += bytes;
  report(file);
}

void TransferMonitor::finish_file(const std::string& file) {
  const std::lock_guard lock(mutex_);
  ++progress_.files_done;
  if (progress_.files_done == progress_.files_total) call(file);
}

bool TransferMonitor::should_continue() {
  if (!stopped_) report("");
  return !stopped_;
}

void TransferMonitor::report(const std::string& file) {
  if (!sink_ || nanoseconds() - reported_at_ < kReportInterval) return;
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (lock) call(file);
}

void TransferMonitor::call(const std::string& file) {
  if (!sink_ || stopped_) return;
  reported_at_ = nanoseconds();
  if (!file.empty()) progress_.file = file;
  progress_.bytes_done = bytes_done_;
  if (!sink_(progress_)) stopped_ = true;
}

}  // namespace gptq::hub
