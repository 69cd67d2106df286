// Case, stripping, splitting and replacing.
#include "text/template/text_functions.h"

#include <algorithm>
#include <utility>

#include "text/unicode.h"

namespace gptq::chat {

namespace {

// Rewrites every character; `spell(code, out)` appends its new form.
template <typename Spell>
MarkedText each_char(Runtime& runtime, const MarkedText& text, const Spell& spell) {
  MarkedText out;
  std::string content;
  for (size_t position = 0; position < text.text.size();) {
    const size_t begin = position;
    content.clear();
    spell(next_char(text.text, position), content);
    runtime.append(out, content, text.marks.empty() ? '\0' : text.marks[begin]);
  }
  return out;
}

// Full upper case where it is more than one letter, for the letters that occur in practice.
void append_upper(char32_t code, std::string& out) {
  static constexpr std::pair<char32_t, const char*> kLong[] = {{0xDF, "SS"},   {0xFB00, "FF"},  {0xFB01, "FI"},
                                                               {0xFB02, "FL"}, {0xFB03, "FFI"}, {0xFB04, "FFL"},
                                                               {0xFB05, "ST"}, {0xFB06, "ST"}};
  for (const auto& [letter, spelling] : kLong) {
    if (letter == code) {
      out += spelling;
      return;
    }
  }
  append_utf8(out, to_upper(code));
}

bool has_case(char32_t code) { return is_uppercase(code) || is_lowercase(code) || to_upper(code) != code; }

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
    if (end == text.text.size()) part = stripped(part, Side::kRight, nullptr);
    parts.push_back(std::move(part));
    position = skip_spaces(text.text, end);
  }
  return parts;
}

std::vector<MarkedText> split_at_spaces_from_right(const MarkedText& text, int64_t limit) {
  std::vector<MarkedText> parts;
  MarkedText rest = stripped(text, Side::kBoth, nullptr);
  while (!rest.text.empty()) {
    size_t begin = rest.text.size();
    while (begin > 0 && !is_python_space(char_before(rest.text, begin)))
      begin -= utf8(char_before(rest.text, begin)).size();
    if (limit >= 0 && static_cast<int64_t>(parts.size()) == limit) begin = 0;
    parts.push_back(rest.substr(begin, rest.text.size() - begin));
    rest = stripped(rest.substr(0, begin), Side::kRight, nullptr);
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

}  // namespace

bool is_python_space(char32_t code) { return is_whitespace(code) || (code >= 0x1C && code <= 0x1F); }

MarkedText upper(Runtime& runtime, const MarkedText& text) { return each_char(runtime, text, append_upper); }

MarkedText lower(Runtime& runtime, const MarkedText& text) {
  return each_char(runtime, text, [](char32_t code, std::string& out) { append_lowercase(out, code); });
}

MarkedText capitalized(Runtime& runtime, const MarkedText& text) {
  bool first = true;
  return each_char(runtime, text, [&](char32_t code, std::string& out) {
    if (first)
      append_utf8(out, to_upper(code));
    else
      append_lowercase(out, code);
    first = false;
  });
}

MarkedText swapped_case(Runtime& runtime, const MarkedText& text) {
  return each_char(runtime, text, [](char32_t code, std::string& out) {
    if (is_uppercase(code))
      append_lowercase(out, code);
    else
      append_upper(code, out);
  });
}

MarkedText python_title(Runtime& runtime, const MarkedText& text) {
  bool inside = false;
  return each_char(runtime, text, [&](char32_t code, std::string& out) {
    if (inside)
      append_lowercase(out, code);
    else
      append_utf8(out, to_upper(code));
    inside = has_case(code);
  });
}

MarkedText jinja_title(Runtime& runtime, const MarkedText& text) {
  bool inside = false;
  return each_char(runtime, text, [&](char32_t code, std::string& out) {
    if (inside)
      append_lowercase(out, code);
    else
      append_upper(code, out);
    inside = !(is_python_space(code) || code == '-' || code == '(' || code == '{' || code == '[' || code == '<');
  });
}

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
  if (from_right && limit >= 0) {
    size_t end = text.text.size();
    while (static_cast<int64_t>(parts.size()) < limit && end >= separator->size()) {
      const size_t found = text.text.rfind(*separator, end - separator->size());
      if (found == std::string::npos) break;
      parts.push_back(text.substr(found + separator->size(), end - found - separator->size()));
      end = found;
    }
    parts.push_back(text.substr(0, end));
    std::reverse(parts.begin(), parts.end());
    return parts;
  }
  size_t begin = 0;
  while (limit < 0 || static_cast<int64_t>(parts.size()) < limit) {
    const size_t found = text.text.find(*separator, begin);
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
    const size_t found = all.find(from.text, position);
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
