// Word wrap of streamed text at the terminal's width.
#include "word_wrap.h"

#include <unistd.h>
#include <utf8proc.h>
#include <algorithm>
#include <limits>
#include <utility>

#include <gptq/terminal.h>

#include "streams.h"

namespace gptq::cli {

namespace {

constexpr size_t kTabStop = 8;
constexpr size_t kMinWidth = 10;  // narrower terminals wrap by themselves
constexpr std::string_view kJoiner = "\u200d";

// The character at the front of valid UTF-8.
std::string_view first_character(std::string_view text) {
  size_t length = 1;
  while (length < text.size() && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) ++length;
  return text.substr(0, length);
}

size_t character_columns(std::string_view character) {
  utf8proc_int32_t point = 0;
  utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(character.data()),
                   static_cast<utf8proc_ssize_t>(character.size()), &point);
  return static_cast<size_t>(std::max(0, utf8proc_charwidth(point)));
}

size_t column_behind(std::string_view spaces, size_t column) {
  for (const char c : spaces) column += c == '\t' ? kTabStop - column % kTabStop : 1;
  return column;
}

// "-", "*", "+", "3." or "12)"
bool is_list_marker(std::string_view word) {
  if (word == "-" || word == "*" || word == "+") return true;
  const size_t digits = std::min(word.find_first_not_of("0123456789"), word.size());
  return digits > 0 && digits < 4 && word.size() == digits + 1 && (word.back() == '.' || word.back() == ')');
}

// "```" and longer, or of tildes; "" when the word is not a fence.
std::string fence_of(std::string_view word) {
  if (word.empty() || (word[0] != '`' && word[0] != '~')) return "";
  const size_t length = std::min(word.find_first_not_of(word[0]), word.size());
  if (length < 3 || (word[0] == '`' && word.find('`', length) != word.npos)) return "";  // ```code``` is text
  return std::string(word.substr(0, length));
}

}  // namespace

size_t columns_of(std::string_view text) {
  size_t columns = 0;
  for (; !text.empty(); text.remove_prefix(first_character(text).size()))
    columns += character_columns(first_character(text));
  return columns;
}

size_t terminal_columns() { return terminal_columns(STDOUT_FILENO); }

std::string WordWrap::push(std::string_view text, size_t width) {
  width_ = width < kMinWidth ? std::numeric_limits<size_t>::max() : width;
  const std::string safe = sanitize_for_terminal(text);
  for (std::string_view rest = safe; !rest.empty(); rest.remove_prefix(first_character(rest).size()))
    add(first_character(rest));
  return std::exchange(out_, "");
}

std::string WordWrap::finish() {
  end_word();
  return std::exchange(out_, "") + std::exchange(line_, {}).gap;
}

void WordWrap::add(std::string_view character) {
  if (character == "\n") {
    end_word();
    if (line_.whole || column_behind(line_.gap, line_.column) <= width_) out_ += line_.gap;
    out_ += '\n';
    line_ = {};
    return;
  }
  if (character == " " || character == "\t") {
    end_word();
    line_.released = false;
    line_.gap += character;
    return;
  }
  const size_t columns = character_columns(character);
  // Lines may also end beside a wide character, as in Chinese and Japanese, unless a joiner follows.
  if (columns > 0 && (line_.wide || columns == 2) && !line_.joined) {
    end_word();
    line_.released = false;
  }
  if (columns > 0) line_.wide = columns == 2;
  line_.joined = character == kJoiner;
  line_.word += character;
  line_.word_columns += columns;
  if (line_.released || line_.word_columns > width_) {
    end_word();
    line_.released = true;
  }
}

void WordWrap::begin_line() {
  const std::string fence = fence_of(line_.word);
  if (!fence_.empty()) {
    line_.whole = true;
    if (line_.word == fence && fence.rfind(fence_, 0) == 0) fence_.clear();
  } else {
    fence_ = fence;
    line_.whole = !fence.empty() || line_.word[0] == '|';
  }
  line_.indent = column_behind(line_.gap, 0);
  line_.marker = is_list_marker(line_.word);
  line_.fresh = false;
}

void WordWrap::end_word() {
  if (line_.word.empty()) return;
  const bool first = line_.fresh;
  const size_t begin = column_behind(line_.gap, line_.column);
  if (first) {
    begin_line();
  } else if (std::exchange(line_.marker, false)) {
    line_.indent = begin;
  }
  if (line_.indent > width_ / 2) line_.indent = 0;
  if (!first && !line_.whole && !line_.released && begin + line_.word_columns > width_) {
    out_ += '\n' + std::string(line_.indent, ' ');
    line_.column = line_.indent;
  } else {
    out_ += line_.gap;
    line_.column = begin;
  }
  out_ += line_.word;
  line_.column += line_.word_columns;
  line_.gap.clear();
  line_.word.clear();
  line_.word_columns = 0;
}

}  // namespace gptq::cli
