// Standard error: messages, and below them one bar that is redrawn on terminals and plain lines elsewhere.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace gptq::cli {

void say(const std::string& line);  // prints a line above the bar; safe from any thread
bool colour_on_stderr();            // a terminal, and NO_COLOR is not set

// Seconds to go after `worked` seconds that brought the work from the fraction `from` to `to`; nothing before 2 % and a
// second of work, when a guess would be far off.
std::optional<double> seconds_to_go(double worked, double from, double to);

// One at a time. Draws nothing when quiet; the bar disappears with the object.
class Progress {
 public:
  explicit Progress(bool quiet);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `step` says where the work is. Elsewhere than on terminals a line appears when a new headline begins (a
  // step without its last word, when it has three or more), and every ten seconds.
  // `detail` is shown behind the step.
  void update(double fraction, const std::string& step, const std::string& detail = "");

 private:
  friend void say(const std::string& line);
  using Clock = std::chrono::steady_clock;

  std::string clocks() const;  // elapsed time and ETA
  std::string bar(size_t width) const;
  void draw();
  void erase();

  bool quiet_;
  bool terminal_;
  bool drawn_ = false;
  double fraction_ = 0;
  std::string step_, detail_, headline_;
  Clock::time_point start_, last_draw_, origin_;
  double origin_fraction_ = 0;  // the estimate counts from here: finished layers of an earlier run arrive at once
};

}  // namespace gptq::cli
