// Stop strings in streamed text: found across pieces, never shown.
#pragma once

#include <string>
#include <vector>

namespace gptq::generate {

class StopStrings {
 public:
  explicit StopStrings(std::vector<std::string> strings);

  // Adds a piece and returns what may be shown: everything but the longest tail that could still become a stop
  // string. Once a stop string is complete, returns what stands before it and `found()` is true.
  std::string push(const std::string& piece);
  std::string finish();  // the tail that was held back
  bool found() const { return found_; }

 private:
  std::vector<std::string> strings_;
  std::string held_;
  bool found_ = false;
};

}  // namespace gptq::generate
