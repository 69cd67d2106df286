// Unicode ground for the text room: UTF-8 validation, character classes, case, graphemes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gptq {

constexpr char32_t kReplacementChar = 0xFFFD;
constexpr std::string_view kReplacementUtf8 = "\xEF\xBF\xBD";

// One decoding step over any bytes: a character, or a maximal invalid subpart (Unicode 15, section 3.9), which
// is what becomes one U+FFFD. `size` is at least 1.
struct Utf8Step {
  char32_t code = kReplacementChar;
  size_t size = 1;
  bool valid = false;
  bool cut_short = false;  // invalid only because the text ends inside a character
};
Utf8Step utf8_step(std::string_view text, size_t position);

// The character that starts at `position` of valid UTF-8; `position` moves behind it.
char32_t next_char(std::string_view text, size_t& position);

void append_utf8(std::string& out, char32_t code);
std::string utf8(char32_t code);

size_t count_chars(std::string_view valid_text);
bool is_valid_utf8(std::string_view text);
std::string to_valid_utf8(std::string_view text);  // one U+FFFD for each maximal invalid subpart

bool is_whitespace(char32_t code);   // the White_Space property
bool is_numeric(char32_t code);      // category N
bool is_word(char32_t code);         // \w: alphabetic, marks, decimal digits, connectors, joiners
bool is_letter(char32_t code);       // category L
bool is_uppercase(char32_t code);
bool is_lowercase(char32_t code);
bool is_printable(char32_t code);  // as Python's str.isprintable sees it

char32_t to_upper(char32_t code);  // simple, one to one
char32_t to_lower(char32_t code);
void append_lowercase(std::string& out, char32_t code);  // full: U+0130 becomes two characters

size_t grapheme_end(std::string_view text, size_t begin);     // where the grapheme cluster at `begin` ends
size_t space_run_end(std::string_view text, size_t begin);  // where the white space at `begin` ends
size_t space_run_begin(std::string_view text, size_t end);  // where the white space before `end` begins
char32_t char_before(std::string_view text, size_t end);    // the character that ends at `end` > 0

}  // namespace gptq
