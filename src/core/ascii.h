// Characters and texts of ASCII, independent of the locale: bytes above 0x7F belong to no class and have no case.
#pragma once

#include <string>
#include <string_view>

namespace gptq {

constexpr bool is_ascii_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_ascii_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr bool is_ascii_alnum(char c) { return is_ascii_alpha(c) || is_ascii_digit(c); }
constexpr char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

constexpr bool is_lower_hex(char c) { return is_ascii_digit(c) || (c >= 'a' && c <= 'f'); }

// The value of a hexadecimal digit of either case; -1 for any other character.
constexpr int hex_digit(char c) {
  const char lower = ascii_lower(c);
  return is_ascii_digit(c) ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

inline std::string ascii_lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = ascii_lower(c);
  return lower;
}

// `text` without these characters at its ends.
inline std::string_view trim(std::string_view text, std::string_view characters = " \t\r\n") {
  const size_t begin = text.find_first_not_of(characters);
  return begin == text.npos ? "" : text.substr(begin, text.find_last_not_of(characters) - begin + 1);
}

}  // namespace gptq
