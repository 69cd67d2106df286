// Unicode ground for the text room: character classes, case, graphemes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/utf8.h"

namespace gptq::unicode {

bool is_whitespace(char32_t code);  // the White_Space property
bool is_numeric(char32_t code);     // category N
bool is_word(char32_t code);        // \w: alphabetic, marks, decimal digits, connectors, joiners
bool is_letter(char32_t code);      // category L
bool is_uppercase(char32_t code);
bool is_lowercase(char32_t code);
bool is_printable(char32_t code);  // as Python's str.isprintable sees it

char32_t to_upper(char32_t code);  // simple, one to one
char32_t to_lower(char32_t code);
void append_lowercase(std::string& out, char32_t code);  // full: U+0130 becomes two characters

size_t grapheme_end(std::string_view text, size_t begin);   // where the grapheme cluster at `begin` ends
size_t space_run_end(std::string_view text, size_t begin);  // where the white space at `begin` ends
size_t space_run_begin(std::string_view text, size_t end);  // where the white space before `end` begins
char32_t char_before(std::string_view text, size_t end);    // the character that ends at `end` > 0

}  // namespace gptq::unicode
