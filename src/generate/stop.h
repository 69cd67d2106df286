// Stop strings in streamed text: found across pieces, never returned.
#pragma once

#include <string>
#include <vector>

namespace gptq::generate {

class StopStrings {
 public:
  explicit StopStrings(std::vector<std::string> strings);

  // Adds a piece and returns the text that may be shown: all except the longest tail that could become a stop string.
  // When a stop string is complete, returns the text before it, and `found()` is true.
  std::string push(const std::string& piece);
  std::string finish();  // the tail that was held back
  bool found() const { return found_; }

 private:
  std::vector<std::string> strings_;
  std::string held_;
  bool found_ = false;
};

}  // namespace gptq::generate
