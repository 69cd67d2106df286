// Long texts in a line that is edited: a label stands for them until the line is entered.
#pragma once

#include <string>
#include <vector>

namespace gptq::cli {

// Texts of more than ten lines or 1000 bytes would not fit on a screen together with the rest of the line.
class Folds {
 public:
  std::string fold(const std::string& text);  // the text, or its label: "[text 1: 200 lines]"
  std::string unfold(std::string line) const;  // with the texts in place of their labels

 private:
  struct Fold {
    std::string label, text;
  };
  std::vector<Fold> folds_;
};

}  // namespace gptq::cli
