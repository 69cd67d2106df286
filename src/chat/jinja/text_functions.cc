// Stripping, splitting and replacing.
#include "chat/jinja/text_functions.h"

#include <algorithm>
#include <unordered_set>

#include "chat/jinja/text_search.h"
#include "unicode/characters.h"

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

void split_at_spaces(const MarkedText& text, int64_t limit, const PartSink& sink) {
  int64_t parts = 0;
  for (size_t position = skip_spaces(text.text, 0); position < text.text.size(); ++parts) {
    const size_t end = limit >= 0 && parts == limit ? text.text.size() : skip_word(text.text, position);
    sink(position, end);
    position = skip_spaces(text.text, end);
  }
}

void split_at_spaces_from_right(const MarkedText& text, int64_t limit, const PartSink& sink) {
  const auto before_spaces = [&](size_t end) {
    while (end > 0 && is_python_space(unicode::char_before(text.text, end)))
      end -= utf8(unicode::char_before(text.text, end)).size();
    return end;
  };
  int64_t parts = 0;
  for (size_t end = before_spaces(text.text.size()); end > 0;) {
    size_t begin = end;
    while (begin > 0 && !is_python_space(unicode::char_before(text.text, begin))) {
      begin -= utf8(unicode::char_before(text.text, begin)).size();
    }
    if (parts == limit) begin = 0;  // with its leading white space
    sink(begin, end);
    end = ++parts > limit ? 0 : before_spaces(begin);
  }
}

// Both texts are turned around, so that searching from the right is as fast as from the left.
void split_from_right(const MarkedText& text, const std::string& separator, int64_t limit, const PartSink& sink) {
  const std::string turned(text.text.rbegin(), text.text.rend()), wanted(separator.rbegin(), separator.rend());
  size_t end = text.text.size();
  for (int64_t parts = 0; parts < limit; ++parts) {
    const size_t found = find_text(turned, wanted, turned.size() - end);
    if (found == std::string::npos) break;
    const size_t begin = text.text.size() - found;
    sink(begin, end);
    end = begin - separator.size();
  }
  sink(0, end);
}

template <typename Unwanted>
MarkedText stripped_of(const MarkedText& text, Side side, const Unwanted& unwanted) {
  size_t begin = 0, end = text.text.size();
  while (side != Side::kRight && begin < end) {
    size_t after = begin;
    if (!unwanted(next_char(text.text, after))) break;
    begin = after;
  }
  while (side != Side::kLeft && end > begin) {
    const char32_t code = unicode::char_before(text.text, end);
    if (!unwanted(code)) break;
    end -= utf8(code).size();
  }
  return text.substr(begin, end - begin);
}

}  // namespace

bool is_python_space(char32_t code) { return unicode::is_whitespace(code) || (code >= 0x1C && code <= 0x1F); }

MarkedText stripped(const MarkedText& text, Side side) { return stripped_of(text, side, is_python_space); }

MarkedText stripped(Runtime& runtime, const MarkedText& text, Side side, const std::string* characters) {
  runtime.limits.work(text.text.size());
  if (characters == nullptr) return stripped(text, side);
  runtime.limits.work(characters->size());
  std::unordered_set<char32_t> codes;
  for (size_t position = 0; position < characters->size();) codes.insert(next_char(*characters, position));
  return stripped_of(text, side, [&](char32_t code) { return codes.contains(code); });
}

void split(Runtime& runtime, const MarkedText& text, const std::string* separator, int64_t limit, bool from_right,
           const PartSink& sink) {
  runtime.limits.work(text.text.size());
  if (separator == nullptr) {
    return from_right && limit >= 0 ? split_at_spaces_from_right(text, limit, sink)
                                    : split_at_spaces(text, limit, sink);
  }
  if (separator->empty()) fail("empty separator");
  if (from_right && limit >= 0) return split_from_right(text, *separator, limit, sink);
  size_t begin = 0;
  for (int64_t parts = 0; limit < 0 || parts < limit; ++parts) {
    const size_t found = find_text(text.text, *separator, begin);
    if (found == std::string::npos) break;
    sink(begin, found);
    begin = found + separator->size();
  }
  sink(begin, text.text.size());
}

void split_lines(Runtime& runtime, const MarkedText& text, bool keep_ends, const PartSink& sink) {
  const auto ends_line = [](char32_t code) {
    return (code >= 0x0A && code <= 0x0D) || (code >= 0x1C && code <= 0x1E) || code == 0x85 || code == 0x2028 ||
           code == 0x2029;
  };
  runtime.limits.work(text.text.size());
  size_t begin = 0;
  for (size_t position = 0; position < text.text.size();) {
    const size_t at = position;
    const char32_t code = next_char(text.text, position);
    if (!ends_line(code)) continue;
    if (code == '\r' && position < text.text.size() && text.text[position] == '\n') ++position;
    sink(begin, keep_ends ? position : at);
    begin = position;
  }
  if (begin < text.text.size()) sink(begin, text.text.size());
}

MarkedText replaced(Runtime& runtime, const MarkedText& text, const MarkedText& from, const MarkedText& to,
                    int64_t limit) {
  runtime.limits.work(text.text.size());
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
    if (position >= all.size()) return out;  // an empty pattern matches before every character and at the end
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
