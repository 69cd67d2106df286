// Counting, a few times a second aloud.
#include "hub/meter.h"

namespace gptq::hub {

namespace {
constexpr auto kTellEvery = std::chrono::milliseconds(100);
}

void Meter::expect(int64_t bytes_total, int files_total) {
  const std::lock_guard lock(mutex_);
  progress_ = {"", 0, bytes_total, 0, files_total};
}

void Meter::add(const std::string& file, int64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (progress_.file != file) progress_.file = file;
  progress_.bytes_done += bytes;
  tell(false);
}

void Meter::finish_file(const std::string& file) {
  const std::lock_guard lock(mutex_);
  progress_.file = file;
  ++progress_.files_done;
  tell(progress_.files_done == progress_.files_total);
}

bool Meter::keep_going() {
  if (stopped_) return false;
  const std::lock_guard lock(mutex_);
  tell(false);
  return !stopped_;
}

void Meter::tell(bool now) {
  if (!sink_ || stopped_) return;
  const auto time = std::chrono::steady_clock::now();
  if (!now && time - told_ < kTellEvery) return;
  told_ = time;
  if (!sink_(progress_)) stopped_ = true;
}

}  // namespace gptq::hub
