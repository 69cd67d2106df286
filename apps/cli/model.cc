// Downloads named models, with a bar that shows rate and remaining time.
#include "model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <memory>
#include <optional>

#include "interrupt.h"
#include "numbers.h"
#include "progress.h"

namespace gptq::cli {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kRateWindow = std::chrono::seconds(5);

bool bars_disabled() {
  const char* value = std::getenv("HF_HUB_DISABLE_PROGRESS_BARS");
  std::string word = value == nullptr ? "" : value;
  std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return std::toupper(c); });
  return word == "1" || word == "ON" || word == "YES" || word == "TRUE";
}

// Bytes per second over the last seconds; bytes present at the start do not count.
class TransferRate {
 public:
  double add(int64_t bytes) {
    const Clock::time_point now = Clock::now();
    if (!points_.empty() && bytes < points_.back().bytes) points_.clear();  // a file was restarted
    points_.push_back({now, bytes});
    while (points_.size() > 2 && now - points_.front().time > kRateWindow) points_.pop_front();
    const double seconds = std::chrono::duration<double>(now - points_.front().time).count();
    return seconds > 0.2 ? static_cast<double>(bytes - points_.front().bytes) / seconds : 0;
  }

 private:
  struct Point {
    Clock::time_point time;
    int64_t bytes;
  };
  std::deque<Point> points_;
};

}  // namespace

struct TransferBar::State {
  bool quiet;
  Interrupt interrupt;
  std::optional<Progress> progress = std::nullopt;
  TransferRate rate = {};

  bool show(const TransferProgress& p) {
    if (p.bytes_total <= 0) return !interrupt.pressed();
    if (!progress) progress.emplace(quiet);
    const double rate_now = rate.add(p.bytes_done);
    std::string detail = fmt::format("{} of {}", human_bytes(p.bytes_done), human_bytes(p.bytes_total));
    if (rate_now > 0) detail += fmt::format("  {}/s", human_bytes(static_cast<int64_t>(rate_now)));
    const double fraction = static_cast<double>(p.bytes_done) / static_cast<double>(p.bytes_total);
    progress->update(fraction, fmt::format("{}/{} files", p.files_done, p.files_total), detail);
    return !interrupt.pressed();
  }
};

TransferBar::TransferBar(bool quiet) : state_(new State{quiet || bars_disabled(), {}}) {}
TransferBar::~TransferBar() = default;

TransferSink TransferBar::sink() {
  return [state = state_.get()](const TransferProgress& p) { return state->show(p); };
}

PullResult pull_with_progress(const std::string& model, const PullOptions& options, const CommonOptions& common) {
  PullOptions checked = options;
  checked.check_config = [&](const std::string& config) {
    try {
      check_supported(config, model);
    } catch (const Error& error) {
      throw Error(error.kind(), fmt::format("runs here: no; {}; no weights are downloaded; to download them anyway: "
                                            "gptq pull {} --include '*'",
                                            error.what(), model));
    }
  };
  TransferBar bar(common.quiet);
  return pull(model, checked, bar.sink());
}

void say_device(const ComputeOptions& options, const CommonOptions& common) {
  const DeviceChoice choice = choose_device(options.device);
  if (common.quiet) return;
  say(fmt::format("note: runs on {}{}", choice.description, choice.note.empty() ? "" : "; " + choice.note));
}

std::string model_folder(const std::string& model, const CommonOptions& common, ModelParts parts) {
  if (!is_hub_model(model)) return model;
  PullOptions options;
  if (parts == ModelParts::kTokenizer) options.exclude = {"*.safetensors", "*.safetensors.index.json"};
  try {
    return pull_with_progress(model, options, common).folder;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kInterrupted) throw;
    throw Error(error.kind(),
                fmt::format("no folder {} exists, so it is treated as a model on the Hub; {}", model, error.what()));
  }
}

}  // namespace gptq::cli
