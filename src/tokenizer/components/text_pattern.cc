// Finds the matches of a literal or a regular expression.
#include "tokenizer/components/text_pattern.h"

#include <gptq/error.h>

#include "core/json.h"
#include "tokenizer/components/split_pattern.h"

namespace gptq::tokenizer {

TextPattern TextPattern::literal(std::string text, const std::string& what) {
  if (text.empty()) return regex("", what);  // matches between all characters
  TextPattern pattern;
  pattern.literal_ = std::move(text);
  return pattern;
}

TextPattern TextPattern::regex(const std::string& pattern, const std::string& what) {
  TextPattern result;
  result.regex_.emplace(translate_pattern(pattern, what), what, Regex::Options{.multiline = true});
  return result;
}

TextPattern TextPattern::from_json(const Json& json, const std::string& what) {
  if (json.is_string()) return literal(json.get<std::string>(), what);
  const JsonReader reader(json, what + " pattern");
  if (reader.has("Regex")) return regex(reader.string("Regex"), what);
  return literal(reader.string("String"), what);
}

std::optional<std::pair<size_t, size_t>> TextPattern::find(std::string_view text, size_t start) const {
  if (regex_) return regex_->find(text, start);
  const size_t at = text.find(literal_, start);
  if (at == std::string_view::npos) return std::nullopt;
  return std::pair{at, at + literal_.size()};
}

}  // namespace gptq::tokenizer
