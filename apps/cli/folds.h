// Long pastes in an edited line, represented by labels until the line is entered.
#pragma once

#include <string>
#include <vector>

namespace gptq::cli {

// Texts of more than ten lines or 1000 bytes do not fit on a screen with the rest of the line.
class Folds {
 public:
  std::string fold(const std::string& text);   // the text, or its label: "[text 1: 200 lines]"
  std::string unfold(std::string line) const;  // replaces labels by their texts

 private:
  struct Fold {
    std::string label, text;
  };
  std::vector<Fold> folds_;
};

}  // namespace gptq::cli
