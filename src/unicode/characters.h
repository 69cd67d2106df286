// Properties of characters: classes, case, grapheme clusters, white space.
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

char32_t to_upper(char32_t code);  // simple case mapping
char32_t to_lower(char32_t code);
void append_lowercase(std::string& out, char32_t code);  // full case mapping: U+0130 becomes two characters

size_t grapheme_end(std::string_view text, size_t begin);   // end of the grapheme cluster at `begin`
size_t space_run_end(std::string_view text, size_t begin);  // end of the white space at `begin`
size_t space_run_begin(std::string_view text, size_t end);  // start of the white space before `end`
char32_t char_before(std::string_view text, size_t end);    // the character that ends at `end` > 0

}  // namespace gptq::unicode
