// Standard error: messages, and below them one bar, redrawn on terminals and printed as plain lines elsewhere.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace gptq::cli {

void say(const std::string& line);  // prints a line above the bar; safe from any thread
bool colour_on_stderr();            // a terminal, and NO_COLOR is not set

// Estimated seconds to go after `worked` seconds that took the work from the fraction `from` to `to`; nullopt before 2
// % and a second of work, when an estimate would be far off.
std::optional<double> seconds_to_go(double worked, double from, double to);

// One object at a time. Draws nothing when quiet; the destructor removes the bar.
class Progress {
 public:
  explicit Progress(bool quiet);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `step` names the current work. When not on a terminal, a line is printed for each new headline (a step without its
  // last word, if it has three or more), and every ten seconds. `detail` is shown after the step.
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
  double origin_fraction_ = 0;  // starts the estimate here: finished layers of an earlier run arrive at once
};

}  // namespace gptq::cli
