// One pass per rule, in the order of transformers: a later rule sees the result of an earlier one.
#include "tokenizer/components/clean_up.h"

#include <string_view>
#include <utility>

namespace gptq::tokenizer {

std::string without_spaces_before_marks(std::string text) {
  static constexpr std::pair<std::string_view, std::string_view> kRules[] = {
      {" .", "."},     {" ?", "?"},   {" !", "!"},   {" ,", ","},     {" ' ", "'"},
      {" n't", "n't"}, {" 'm", "'m"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : kRules) {
    std::string cleaned;
    size_t begin = 0;
    for (size_t at = 0; (at = text.find(from, begin)) != std::string::npos; begin = at + from.size()) {
      cleaned.append(text, begin, at - begin).append(to);
    }
    text = std::move(cleaned.append(text, begin, std::string::npos));
  }
  return text;
}

}  // namespace gptq::tokenizer
