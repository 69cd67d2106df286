// Long pastes in an edited line, represented by labels until the line is entered.
#include "folds.h"

#include <fmt/format.h>
#include <algorithm>

#include "table.h"

namespace gptq::cli {

namespace {

constexpr size_t kMaxShownBytes = 1000;
constexpr int kMaxShownLines = 10;

}  // namespace

std::string Folds::fold(const std::string& text) {
  const auto lines = std::count(text.begin(), text.end(), '\n') + 1;
  if (text.size() <= kMaxShownBytes && lines <= kMaxShownLines) return text;
  const std::string size = lines > 1 ? fmt::format("{} lines", lines) : fmt::format("{} characters", text_width(text));
  folds_.push_back({fmt::format("[text {}: {}]", folds_.size() + 1, size), text});
  return folds_.back().label;
}

std::string Folds::unfold(std::string line) const {
  // From the end, so that a label inside a text is not replaced.
  for (size_t end = line.size(); end > 0;) {
    const Fold* last = nullptr;
    size_t at = 0;
    for (const Fold& fold : folds_) {
      if (fold.label.size() > end) continue;
      const size_t found = line.rfind(fold.label, end - fold.label.size());
      if (found == std::string::npos || (last != nullptr && found < at)) continue;
      at = found;
      last = &fold;
    }
    if (last == nullptr) break;
    line.replace(at, last->label.size(), last->text);
    end = at;
  }
  return line;
}

}  // namespace gptq::cli
