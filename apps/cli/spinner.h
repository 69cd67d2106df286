// A spinner on the terminal while there is no output.
#pragma once

#include <memory>
#include <string>

namespace gptq::cli {

// Appears on standard error, if that is a terminal, unless it is stopped soon; runs in a separate thread. Other lines
// written to standard error replace it.
class Spinner {
 public:
  explicit Spinner(const std::string& text, bool shown = true);
  ~Spinner();

  void stop();  // removes it from the screen

 private:
  struct State;
  std::unique_ptr<State> state_;  // none: nothing is shown
};

}  // namespace gptq::cli
