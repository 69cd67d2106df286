// A sign that the program works although it shows nothing yet.
#pragma once

#include <memory>
#include <string>

namespace gptq::cli {

// Appears on standard error, when that is a terminal, if it is not stopped soon; moves from a thread of its own. Other
// lines written to standard error meanwhile take its place.
class Spinner {
 public:
  explicit Spinner(const std::string& text, bool shown = true);
  ~Spinner();

  void stop();  // nothing of it is left on the screen

 private:
  struct State;
  std::unique_ptr<State> state_;  // none: nothing is shown
};

}  // namespace gptq::cli
