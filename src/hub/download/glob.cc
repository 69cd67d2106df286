// Matching with backtracking to the last star only: at most O(pattern × path).
#include "hub/download/glob.h"

#include <algorithm>

#include "core/utf8.h"

namespace gptq::hub {

namespace {

std::u32string code_points(std::string_view valid_text) {
  std::u32string points;
  for (size_t i = 0; i < valid_text.size();) points += next_char(valid_text, i);
  return points;
}

// The set that starts at pattern[at] == '['; moves `at` past it. A '[' without an end is an ordinary character.
bool set_matches(std::u32string_view pattern, size_t& at, char32_t c) {
  size_t end = at + 1;
  const bool negated = end < pattern.size() && pattern[end] == '!';
  if (negated) ++end;
  const size_t first = end;
  if (end < pattern.size() && pattern[end] == ']') ++end;
  while (end < pattern.size() && pattern[end] != ']') ++end;
  if (end >= pattern.size()) {
    ++at;
    return c == '[';
  }
  bool found = false;
  for (size_t i = first; i < end; ++i) {
    if (i + 2 < end && pattern[i + 1] == '-') {
      found |= pattern[i] <= c && c <= pattern[i + 2];
      i += 2;
    } else {
      found |= pattern[i] == c;
    }
  }
  at = end + 1;
  return found != negated;
}

bool matches(std::u32string_view pattern, std::u32string_view path) {
  constexpr size_t kNone = std::u32string_view::npos;
  size_t p = 0, s = 0, star = kNone, resume = 0;  // the last *, and where matching resumes after it
  while (s < path.size()) {
    size_t next = p + 1;
    bool same = false;
    if (p < pattern.size()) {
      if (pattern[p] == '*') {
        star = p++;
        resume = s;
        continue;
      }
      if (pattern[p] == '[') {
        next = p;
        same = set_matches(pattern, next, path[s]);
      } else {
        same = pattern[p] == '?' || pattern[p] == path[s];
      }
    }
    if (same) {
      p = next;
      ++s;
    } else if (star != kNone) {
      p = star + 1;
      s = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view path) {
  std::string text(pattern);
  std::replace(text.begin(), text.end(), '\\', '/');
  if (text.ends_with('/')) text += '*';
  return is_valid_utf8(text) && is_valid_utf8(path) && matches(code_points(text), code_points(path));
}

bool any_matches(const std::vector<std::string>& patterns, std::string_view path) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return glob_matches(pattern, path); });
}

}  // namespace gptq::hub
