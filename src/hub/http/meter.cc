// Counting, a few times a second aloud. Workers count without waiting for each other.
#include "hub/http/meter.h"

namespace gptq::hub {

namespace {

constexpr int64_t kTellEvery = 100'000'000;  // nanoseconds

int64_t nanoseconds() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

}  // namespace

void Meter::expect(int64_t bytes_total, int files_total) {
  const std::lock_guard lock(mutex_);
  progress_ = {"", 0, bytes_total, 0, files_total};
  bytes_done_ = 0;
}

void Meter::add(const std::string& file, int64_t bytes) {
  bytes_done_ += bytes;
  tell(file);
}

void Meter::finish_file(const std::string& file) {
  const std::lock_guard lock(mutex_);
  ++progress_.files_done;
  if (progress_.files_done == progress_.files_total) call(file);
}

bool Meter::keep_going() {
  if (!stopped_) tell("");
  return !stopped_;
}

void Meter::tell(const std::string& file) {
  if (!sink_ || nanoseconds() - told_ < kTellEvery) return;
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (lock) call(file);
}

void Meter::call(const std::string& file) {
  if (!sink_ || stopped_) return;
  told_ = nanoseconds();
  if (!file.empty()) progress_.file = file;
  progress_.bytes_done = bytes_done_;
  if (!sink_(progress_)) stopped_ = true;
}

}  // namespace gptq::hub
