// NaN, Infinity and -Infinity pass through the strict parser and the writer as unique marked strings.
#include "core/python_json.h"

#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "core/json.h"

namespace gptq {

namespace {

struct Word {
  std::string_view text;
  double value;
};
constexpr std::array<Word, 3> kWords = {{{"NaN", std::numeric_limits<double>::quiet_NaN()},
                                         {"Infinity", std::numeric_limits<double>::infinity()},
                                         {"-Infinity", -std::numeric_limits<double>::infinity()}}};
constexpr std::string_view kMark = "\x7f python number: ";

std::string marked(const Word& word) { return std::string(kMark) + std::string(word.text); }

// Quotes and marks the three words outside strings. A text without them is unchanged.
std::string with_marks(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  bool quoted = false;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    const Word* found = nullptr;
    if (!quoted && (c == 'N' || c == 'I' || c == '-')) {
      for (const Word& word : kWords) {
        if (text.substr(i, word.text.size()) == word.text) found = &word;
      }
    }
    if (found != nullptr) {
      result += '"' + marked(*found) + '"';
      i += found->text.size();
      continue;
    }
    if (c == '"') quoted = !quoted;
    result += c;
    ++i;
    if (quoted && c == '\\' && i < text.size()) result += text[i++];
  }
  return result;
}

template <typename Document>
void to_numbers(Document& json) {
  if (json.is_structured()) {
    for (auto& item : json) to_numbers(item);
  } else if (json.is_string()) {
    for (const Word& word : kWords) {
      if (json.template get_ref<const std::string&>() != marked(word)) continue;
      json = word.value;
      return;
    }
  }
}

void to_marks(OrderedJson& json) {
  if (json.is_structured()) {
    for (auto& item : json) to_marks(item);
  } else if (json.is_number_float() && !std::isfinite(json.get<double>())) {
    const double value = json.get<double>();
    json = marked(kWords[std::isnan(value) ? 0 : value > 0 ? 1 : 2]);
  }
}

}  // namespace

Json parse_python_json(std::string_view text, const std::string& what) {
  Json json = parse_json(with_marks(text), what);
  to_numbers(json);
  return json;
}

OrderedJson parse_ordered_python_json(std::string_view text, const std::string& what) {
  OrderedJson json = parse_ordered_json(with_marks(text), what);
  to_numbers(json);
  return json;
}

std::string python_json_text(OrderedJson json) {
  to_marks(json);
  std::string text = json.dump(2);
  for (const Word& word : kWords) {
    const std::string string = OrderedJson(marked(word)).dump();
    for (size_t at = text.find(string); at != std::string::npos; at = text.find(string, at)) {
      text.replace(at, string.size(), word.text);
    }
  }
  return text;
}

}  // namespace gptq
