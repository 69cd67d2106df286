// Matching by going back to the last star only: time is pattern times path at most.
#include "hub/glob.h"

#include <algorithm>
#include <optional>

namespace gptq::hub {

namespace {

std::optional<std::u32string> code_points(std::string_view text) {
  std::u32string points;
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const size_t size = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
    if (size == 0 || i + size > text.size()) return std::nullopt;
    char32_t point = size == 1 ? lead : lead & (0xFFu >> (size + 1));
    for (size_t j = 1; j < size; ++j) {
      const auto next = static_cast<unsigned char>(text[i + j]);
      if ((next & 0xC0) != 0x80) return std::nullopt;
      point = point << 6 | (next & 0x3Fu);
    }
    points += point;
    i += size;
  }
  return points;
}

// The set that starts at pattern[at] == '['; moves `at` behind it. A '[' without its end stands for itself.
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
  size_t p = 0, s = 0, star = kNone, resume = 0;  // the last *, and where its text may go on
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
  const auto pattern_points = code_points(text), path_points = code_points(path);
  return pattern_points && path_points && matches(*pattern_points, *path_points);
}

bool any_matches(const std::vector<std::string>& patterns, std::string_view path) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return glob_matches(pattern, path); });
}

}  // namespace gptq::hub
