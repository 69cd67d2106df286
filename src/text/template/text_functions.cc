// Stripping, splitting and replacing.
#include "text/template/text_functions.h"

#include <algorithm>
#include <utility>

#include "text/template/text_search.h"
#include "text/unicode.h"

namespace gptq::chat {

namespace {

size_t skip_spaces(const std::string& text, size_t position) {
  while (position < text.size()) {
    size_t after = position;
    if (!is_python_space(next_char(text, after))) break;
    position = after;
  }
  return position;
}

size_t skip_word(const std::string& text, size_t position) {
  while (position < text.size()) {
    size_t after = position;
    if (is_python_space(next_char(text, after))) break;
    position = after;
  }
  return position;
}

std::vector<MarkedText> split_at_spaces(const MarkedText& text, int64_t limit) {
  std::vector<MarkedText> parts;
  for (size_t position = skip_spaces(text.text, 0); position < text.text.size();) {
    size_t end = skip_word(text.text, position);
    if (limit >= 0 && static_cast<int64_t>(parts.size()) == limit) end = text.text.size();
    MarkedText part = text.substr(position, end - position);
    parts.push_back(std::move(part));
    position = skip_spaces(text.text, end);
  }
  return parts;
}

std::vector<MarkedText> split_at_spaces_from_right(const MarkedText& text, int64_t limit) {
  const auto before_spaces = [&](size_t end) {
    while (end > 0 && is_python_space(char_before(text.text, end))) end -= utf8(char_before(text.text, end)).size();
    return end;
  };
  std::vector<MarkedText> parts;
  for (size_t end = before_spaces(text.text.size()); end > 0;) {
    size_t begin = end;
    while (begin > 0 && !is_python_space(char_before(text.text, begin))) {
      begin -= utf8(char_before(text.text, begin)).size();
    }
    if (static_cast<int64_t>(parts.size()) == limit) begin = 0;  // with its leading white space
    parts.push_back(text.substr(begin, end - begin));
    end = static_cast<int64_t>(parts.size()) > limit ? 0 : before_spaces(begin);
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

// Both texts are turned around, so that searching from the right is as fast as from the left.
std::vector<MarkedText> split_from_right(const MarkedText& text, const std::string& separator, int64_t limit) {
  const std::string turned(text.text.rbegin(), text.text.rend()), wanted(separator.rbegin(), separator.rend());
  std::vector<MarkedText> parts;
  size_t end = text.text.size();
  while (static_cast<int64_t>(parts.size()) < limit) {
    const size_t found = find_text(turned, wanted, turned.size() - end);
    if (found == std::string::npos) break;
    const size_t begin = text.text.size() - found;
    parts.push_back(text.substr(begin, end - begin));
    end = begin - separator.size();
  }
  parts.push_back(text.substr(0, end));
  std::reverse(parts.begin(), parts.end());
  return parts;
}

}  // namespace

bool is_python_space(char32_t code) { return is_whitespace(code) || (code >= 0x1C && code <= 0x1F); }

MarkedText stripped(const MarkedText& text, Side side, const std::string* characters) {
  const auto unwanted = [&](char32_t code) {
    return characters == nullptr ? is_python_space(code) : characters->find(utf8(code)) != std::string::npos;
  };
  size_t begin = 0, end = text.text.size();
  while (side != Side::kRight && begin < end) {
    size_t after = begin;
    if (!unwanted(next_char(text.text, after))) break;
    begin = after;
  }
  while (side != Side::kLeft && end > begin) {
    const char32_t code = char_before(text.text, end);
    if (!unwanted(code)) break;
    end -= utf8(code).size();
  }
  return text.substr(begin, end - begin);
}

std::vector<MarkedText> split(const MarkedText& text, const std::string* separator, int64_t limit, bool from_right) {
  if (separator == nullptr) {
    return from_right && limit >= 0 ? split_at_spaces_from_right(text, limit) : split_at_spaces(text, limit);
  }
  if (separator->empty()) fail("empty separator");
  std::vector<MarkedText> parts;
  if (from_right && limit >= 0) return split_from_right(text, *separator, limit);
  size_t begin = 0;
  while (limit < 0 || static_cast<int64_t>(parts.size()) < limit) {
    const size_t found = find_text(text.text, *separator, begin);
    if (found == std::string::npos) break;
    parts.push_back(text.substr(begin, found - begin));
    begin = found + separator->size();
  }
  parts.push_back(text.substr(begin, text.text.size() - begin));
  return parts;
}

std::vector<MarkedText> split_lines(const MarkedText& text, bool keep_ends) {
  const auto ends_line = [](char32_t code) {
    return (code >= 0x0A && code <= 0x0D) || (code >= 0x1C && code <= 0x1E) || code == 0x85 || code == 0x2028 ||
           code == 0x2029;
  };
  std::vector<MarkedText> lines;
  size_t begin = 0;
  for (size_t position = 0; position < text.text.size();) {
    const size_t at = position;
    const char32_t code = next_char(text.text, position);
    if (!ends_line(code)) continue;
    if (code == '\r' && position < text.text.size() && text.text[position] == '\n') ++position;
    lines.push_back(text.substr(begin, (keep_ends ? position : at) - begin));
    begin = position;
  }
  if (begin < text.text.size()) lines.push_back(text.substr(begin, text.text.size() - begin));
  return lines;
}

MarkedText replaced(Runtime& runtime, const MarkedText& text, const MarkedText& from, const MarkedText& to,
                    int64_t limit) {
  MarkedText out;
  int64_t count = 0;
  size_t position = 0;
  const std::string& all = text.text;
  while (limit < 0 || count < limit) {
    runtime.limits.step();
    const size_t found = find_text(all, from.text, position);
    if (found == std::string::npos) break;
    runtime.append(out, text.substr(position, found - position));
    runtime.append(out, to);
    ++count;
    position = found + from.text.size();
    if (!from.text.empty()) continue;
    if (position >= all.size()) return out;  // an empty pattern stands before every character and at the end
    const size_t begin = position;
    next_char(all, position);
    runtime.append(out, text.substr(begin, position - begin));
  }
  runtime.append(out, text.substr(std::min(position, all.size()), std::string::npos));
  return out;
}

int64_t chars_before(const std::string& text, size_t byte) {
  return static_cast<int64_t>(count_chars(std::string_view(text).substr(0, byte)));
}

}  // namespace gptq::chat
