// Standard error: messages, and below them one bar that is redrawn on terminals and plain lines elsewhere.
#include "progress.h"

#include <fmt/format.h>
#include <unistd.h>
#include <algorithm>
#include <cstdlib>
#include <mutex>

#include <gptq/terminal.h>

#include "numbers.h"
#include "streams.h"
#include "table.h"

namespace gptq::cli {

namespace {

constexpr double kRedrawEvery = 0.1;    // seconds, on terminals
constexpr double kLineEvery = 10;       // seconds, elsewhere
constexpr double kEstimateAfter = 1;    // seconds of work before an ETA is shown,
constexpr double kEstimateFrom = 0.02;  // and the fraction of all of it
constexpr double kJump = 0.02;          // progress in one step that can only come from an earlier run
constexpr size_t kMaxBar = 30, kMinBar = 8;

std::mutex mutex;  // guards standard error and `active`
Progress* active = nullptr;

bool stderr_is_terminal() { return isatty(STDERR_FILENO) == 1; }

bool unicode_terminal() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    const std::string locale = value;
    return locale.find("UTF-8") != std::string::npos || locale.find("utf8") != std::string::npos;
  }
  return false;
}

double seconds_between(std::chrono::steady_clock::time_point from, std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

// "layer 3/32 mlp.down_proj" -> "layer 3/32"; shorter steps as they are.
std::string headline_of(const std::string& step) {
  if (std::count(step.begin(), step.end(), ' ') < 2) return step;
  return step.substr(0, step.rfind(' '));
}

}  // namespace

bool colour_on_stderr() {
  const char* no_colour = std::getenv("NO_COLOR");
  return stderr_is_terminal() && (no_colour == nullptr || *no_colour == '\0');
}

void say(const std::string& line) {
  const std::lock_guard lock(mutex);
  if (active != nullptr) active->erase();
  put_error(sanitize_for_terminal(line) + "\n");
  if (active != nullptr && active->terminal_ && !active->quiet_) active->draw();
}

std::optional<double> seconds_to_go(double worked, double from, double to) {
  const double gained = to - from;
  if (worked < kEstimateAfter || gained < kEstimateFrom) return std::nullopt;
  return worked * (1 - to) / gained;
}

Progress::Progress(bool quiet) : quiet_(quiet), terminal_(stderr_is_terminal()), start_(Clock::now()) {
  last_draw_ = origin_ = start_;
  const std::lock_guard lock(mutex);
  active = this;
}

Progress::~Progress() {
  const std::lock_guard lock(mutex);
  erase();
  active = nullptr;
}

void Progress::update(double fraction, const std::string& step, const std::string& detail) {
  if (quiet_) return;
  const std::lock_guard lock(mutex);
  const Clock::time_point now = Clock::now();
  const bool first = step_.empty();
  if (fraction - fraction_ > kJump && seconds_between(last_draw_, now) < kRedrawEvery) {
    origin_ = now;
    origin_fraction_ = fraction;
  }
  fraction_ = std::clamp(fraction, 0.0, 1.0);
  step_ = sanitize_for_terminal(step);
  detail_ = detail.empty() ? "" : "  " + sanitize_for_terminal(detail);
  if (terminal_) {
    if (!first && seconds_between(last_draw_, now) < kRedrawEvery) return;
    draw();
    return;
  }
  const std::string headline = headline_of(step_);
  if (headline == headline_ && seconds_between(last_draw_, now) < kLineEvery) return;
  headline_ = headline;
  last_draw_ = now;
  put_error(fmt::format("{:3.0f}%  {}{}  {}\n", fraction_ * 100, headline, detail_, clocks()));
}

std::string Progress::clocks() const {
  const Clock::time_point now = Clock::now();
  std::string text = human_clock(seconds_between(start_, now));
  const double worked = seconds_between(origin_, now);
  if (const auto rest = seconds_to_go(worked, origin_fraction_, fraction_)) text += "  ETA " + human_clock(*rest);
  return text;
}

std::string Progress::bar(size_t width) const {
  const bool unicode = unicode_terminal();
  const auto full = static_cast<size_t>(fraction_ * static_cast<double>(width));
  std::string done, rest;
  for (size_t i = 0; i < width; ++i)
    (i < full ? done : rest) += unicode ? (i < full ? "━" : "─") : (i < full ? "#" : "-");
  return colour_on_stderr() ? "\033[32m" + done + "\033[0m\033[2m" + rest + "\033[0m" : done + rest;
}

void Progress::draw() {
  if (step_.empty()) return;
  const size_t columns = terminal_columns(STDERR_FILENO) - 1;  // the last column would wrap on some terminals
  const std::string head = fmt::format("{:3.0f}% ", fraction_ * 100);
  const std::string tail = fmt::format("  {}{}  {}", step_, detail_, clocks());
  const size_t used = text_width(head) + text_width(tail);
  std::string line = head + tail;
  if (used + kMinBar <= columns) {
    line = head + bar(std::min(kMaxBar, columns - used)) + tail;
  } else if (used > columns) {
    line.resize(columns);
  }
  put_error("\r\033[K" + line);
  drawn_ = true;
  last_draw_ = Clock::now();
}

void Progress::erase() {
  if (drawn_) put_error("\r\033[K");
  drawn_ = false;
}

}  // namespace gptq::cli
