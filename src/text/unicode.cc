// utf8proc behind text/unicode.h, plus the parts of UTF-8 decoding that need exact rules for broken bytes.
#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>

namespace gptq {

namespace {

utf8proc_category_t category(char32_t code) { return utf8proc_category(static_cast<utf8proc_int32_t>(code)); }

bool is_mark(utf8proc_category_t value) {
  return value == UTF8PROC_CATEGORY_MN || value == UTF8PROC_CATEGORY_MC || value == UTF8PROC_CATEGORY_ME;
}

bool is_letter_category(utf8proc_category_t value) {
  return value >= UTF8PROC_CATEGORY_LU && value <= UTF8PROC_CATEGORY_LO;
}

}  // namespace

Utf8Step utf8_step(std::string_view text, size_t position) {
  const auto byte = [&](size_t index) { return static_cast<unsigned char>(text[index]); };
  const unsigned char lead = byte(position);
  if (lead < 0x80) return {lead, 1, true, false};

  // The second byte's range excludes overlong forms, surrogates and codes above U+10FFFF.
  size_t length = 0;
  unsigned char low = 0x80, high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return {};
  }
  char32_t code = lead & (0xFF >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if (position + i >= text.size()) return {kReplacementChar, i, false, true};
    if (byte(position + i) < low || byte(position + i) > high) return {kReplacementChar, i, false, false};
    code = code << 6 | (byte(position + i) & 0x3F);
    low = 0x80;
    high = 0xBF;
  }
  return {code, length, true, false};
}

char32_t next_char(std::string_view text, size_t& position) {
  const auto lead = static_cast<unsigned char>(text[position]);
  if (lead < 0x80) {
    ++position;
    return lead;
  }
  const Utf8Step step = utf8_step(text, position);
  position += step.size;
  return step.code;
}

void append_utf8(std::string& out, char32_t code) {
  const auto put = [&](char32_t bits) { out.push_back(static_cast<char>(bits)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

std::string utf8(char32_t code) {
  std::string out;
  append_utf8(out, code);
  return out;
}

size_t count_chars(std::string_view valid_text) {
  return static_cast<size_t>(
      std::count_if(valid_text.begin(), valid_text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

bool is_valid_utf8(std::string_view text) {
  for (size_t position = 0; position < text.size();) {
    const Utf8Step step = utf8_step(text, position);
    if (!step.valid) return false;
    position += step.size;
  }
  return true;
}

std::string to_valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t position = 0; position < text.size();) {
    const Utf8Step step = utf8_step(text, position);
    out.append(step.valid ? text.substr(position, step.size) : kReplacementUtf8);
    position += step.size;
  }
  return out;
}

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
  if (code == 0x130) {  // the only character whose lower case is two characters everywhere
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

}  // namespace gptq
