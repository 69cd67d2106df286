// The "pattern" of Split and Replace: a literal or a regular expression, and the segments into which it splits a text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/json_fwd.h"
#include "core/regex.h"
#include "unicode/characters.h"

namespace gptq::tokenizer {

struct Segment {
  size_t begin = 0;
  size_t end = 0;
  bool match = false;
};

// Immutable and thread-safe.
class TextPattern {
 public:
  // From {"String": "..."} or {"Regex": "..."}. Throws Error(kVerification) naming `what`.
  static TextPattern from_json(const Json& json, const std::string& what);
  static TextPattern literal(std::string text, const std::string& what);
  static TextPattern regex(const std::string& pattern, const std::string& what);

  // Calls `sink(segment)` for segments that cover `text` completely and in order; matches may be empty, gaps are not.
  // `text` is valid UTF-8.
  template <typename Sink>
  void cut(std::string_view text, const Sink& sink) const {
    size_t gap = 0;   // end of the last match
    size_t from = 0;  // where the next search starts
    bool matched = false;
    while (from <= text.size()) {
      const auto range = find(text, from);
      if (!range) break;
      if (range->first == range->second && matched && range->second == gap) {
        // An empty match directly after the last one would repeat forever: search one character further.
        if (from >= text.size()) break;
        next_char(text, from);
        continue;
      }
      if (gap < range->first) sink(Segment{gap, range->first, false});
      sink(Segment{range->first, range->second, true});
      gap = from = range->second;
      matched = true;
    }
    if (gap < text.size()) sink(Segment{gap, text.size(), false});
  }

 private:
  std::optional<std::pair<size_t, size_t>> find(std::string_view text, size_t start) const;

  std::string literal_;
  std::optional<Regex> regex_;
};

}  // namespace gptq::tokenizer
