// Implementation of unicode/characters.h with utf8proc.
#include "unicode/characters.h"

#include <utf8proc.h>

namespace gptq::unicode {

namespace {

utf8proc_category_t category(char32_t code) { return utf8proc_category(static_cast<utf8proc_int32_t>(code)); }

bool is_mark(utf8proc_category_t value) {
  return value == UTF8PROC_CATEGORY_MN || value == UTF8PROC_CATEGORY_MC || value == UTF8PROC_CATEGORY_ME;
}

bool is_letter_category(utf8proc_category_t value) {
  return value >= UTF8PROC_CATEGORY_LU && value <= UTF8PROC_CATEGORY_LO;
}

}  // namespace

bool is_whitespace(char32_t code) {
  return (code >= 0x09 && code <= 0x0D) || code == 0x20 || code == 0x85 || code == 0xA0 || code == 0x1680 ||
         (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F ||
         code == 0x3000;
}

bool is_numeric(char32_t code) {
  const utf8proc_category_t value = category(code);
  return value >= UTF8PROC_CATEGORY_ND && value <= UTF8PROC_CATEGORY_NO;
}

bool is_word(char32_t code) {
  const utf8proc_category_t value = category(code);
  if (is_letter_category(value) || is_mark(value)) return true;
  if (value == UTF8PROC_CATEGORY_ND || value == UTF8PROC_CATEGORY_NL || value == UTF8PROC_CATEGORY_PC) return true;
  // Alphabetic symbols (circled and squared letters) and the two joiners.
  return (code >= 0x24B6 && code <= 0x24E9) || (code >= 0x1F130 && code <= 0x1F149) ||
         (code >= 0x1F150 && code <= 0x1F169) || (code >= 0x1F170 && code <= 0x1F189) || code == 0x200C ||
         code == 0x200D;
}

bool is_letter(char32_t code) { return is_letter_category(category(code)); }

bool is_uppercase(char32_t code) {
  return code < 0x80 ? code >= 'A' && code <= 'Z' : utf8proc_isupper(static_cast<utf8proc_int32_t>(code)) != 0;
}

bool is_lowercase(char32_t code) {
  return code < 0x80 ? code >= 'a' && code <= 'z' : utf8proc_islower(static_cast<utf8proc_int32_t>(code)) != 0;
}

bool is_printable(char32_t code) {
  if (code < 0x80) return code >= 0x20 && code < 0x7F;
  const utf8proc_category_t value = category(code);
  return value != UTF8PROC_CATEGORY_CN && value < UTF8PROC_CATEGORY_ZS;  // separators and C* come last
}

char32_t to_upper(char32_t code) {
  return static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(code)));
}

char32_t to_lower(char32_t code) {
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code)));
}

void append_lowercase(std::string& out, char32_t code) {
  if (code == 0x130) {  // the only character whose lower case always is two characters
    out += "i\xCC\x87";
  } else {
    append_utf8(out, to_lower(code));
  }
}

char32_t char_before(std::string_view text, size_t end) {
  size_t begin = end - 1;
  while (begin > 0 && (text[begin] & 0xC0) == 0x80) --begin;
  return next_char(text, begin);
}

size_t grapheme_end(std::string_view text, size_t begin) {
  size_t end = begin;
  char32_t left = next_char(text, end);
  for (utf8proc_int32_t state = 0; end < text.size();) {
    const auto byte = static_cast<unsigned char>(text[end]);
    if (left < 0x80 && byte < 0x80 && left != '\r') break;
    size_t after = end;
    const char32_t right = next_char(text, after);
    if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(left), static_cast<utf8proc_int32_t>(right),
                                         &state)) {
      break;
    }
    end = after;
    left = right;
  }
  return end;
}

size_t space_run_end(std::string_view text, size_t begin) {
  while (begin < text.size()) {
    size_t after = begin;
    if (!is_whitespace(next_char(text, after))) break;
    begin = after;
  }
  return begin;
}

size_t space_run_begin(std::string_view text, size_t end) {
  while (end > 0) {
    const char32_t code = char_before(text, end);
    if (!is_whitespace(code)) break;
    end -= utf8(code).size();
  }
  return end;
}

}  // namespace gptq::unicode
