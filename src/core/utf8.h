// UTF-8: decoding with exact positions of invalid bytes, and encoding.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gptq {

constexpr char32_t kReplacementChar = 0xFFFD;
constexpr std::string_view kReplacementUtf8 = "\xEF\xBF\xBD";

// One decoding step over arbitrary bytes: a character, or a maximal invalid subpart (Unicode 15, section 3.9), which is
// replaced by one U+FFFD. `size` is at least 1.
struct Utf8Step {
  char32_t code = kReplacementChar;
  size_t size = 1;
  bool valid = false;
  bool cut_short = false;  // invalid only because the text ends inside a character
};
Utf8Step utf8_step(std::string_view text, size_t position);

// The character at `position` of valid UTF-8; advances `position` past it.
char32_t next_char(std::string_view text, size_t& position);

void append_utf8(std::string& out, char32_t code);
std::string utf8(char32_t code);

size_t count_chars(std::string_view valid_text);
bool is_valid_utf8(std::string_view text);
std::string to_valid_utf8(std::string_view text);  // one U+FFFD for each maximal invalid subpart

}  // namespace gptq
