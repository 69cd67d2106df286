// The "pattern" of Split and Replace: a literal or a regular expression, and the stretches into which it cuts a text.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "core/regex.h"

namespace gptq {

struct Stretch {
  size_t begin = 0;
  size_t end = 0;
  bool match = false;
};

// Immutable; safe to share between threads.
class TextPattern {
 public:
  // From {"String": "..."} or {"Regex": "..."}. Throws Error(kVerification) naming `what`.
  static TextPattern from_json(const Json& json, const std::string& what);
  static TextPattern literal(std::string text, const std::string& what);
  static TextPattern regex(const std::string& pattern, const std::string& what);

  // Covers `text` completely and in order; matches may be empty, gaps are not. `text` is valid UTF-8.
  std::vector<Stretch> cut(std::string_view text) const;

 private:
  std::optional<std::pair<size_t, size_t>> find(std::string_view text, size_t start) const;

  std::string literal_;
  std::optional<Regex> regex_;
};

}  // namespace gptq
