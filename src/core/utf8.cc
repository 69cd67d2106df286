// Decoding with the ranges of Unicode 15, table 3-7.
#include "core/utf8.h"

#include <algorithm>

namespace gptq {

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

}  // namespace gptq
