// Upper, lower and title case as in Python's str: with letters that become several, and the final sigma.
#pragma once

#include <string>

#include "chat/jinja/value.h"

namespace gptq::chat {

MarkedText upper(Runtime& runtime, const MarkedText& text);
MarkedText lower(Runtime& runtime, const MarkedText& text);
MarkedText casefolded(Runtime& runtime, const MarkedText& text);
MarkedText capitalized(Runtime& runtime, const MarkedText& text);
MarkedText swapped_case(Runtime& runtime, const MarkedText& text);
MarkedText python_title(Runtime& runtime, const MarkedText& text);  // str.title: a letter after a non-letter
// the filter: the first letter after a space or - ( [ { <
MarkedText jinja_title(Runtime& runtime, const MarkedText& text);

bool is_cased(char32_t code);      // upper, lower or title case
bool is_titlecase(char32_t code);  // such as U+01C5
bool is_decimal(char32_t code);    // of str.isdecimal, isdigit, isnumeric: each includes the one before
bool is_digit_char(char32_t code);
bool is_numeric_char(char32_t code);
bool is_case_of(const std::string& text, bool upper);  // str.isupper and str.islower
bool is_title_of(const std::string& text);             // str.istitle

}  // namespace gptq::chat
