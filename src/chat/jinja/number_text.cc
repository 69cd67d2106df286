// std::to_chars in Python's format.
#include "chat/jinja/number_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string_view>

#include "core/ascii.h"

namespace gptq::chat {

namespace {

constexpr int kMaxPrecision = 1000;

std::string to_chars(double number, std::chars_format style, int precision) {
  std::string text(400 + static_cast<size_t>(precision), '\0');
  const auto written = std::to_chars(text.data(), text.data() + text.size(), number, style, precision);
  text.resize(static_cast<size_t>(written.ptr - text.data()));
  return text;
}

// The exponent in which `number`, rounded to `digits` significant digits, is written.
int rounded_exponent(double number, int digits) {
  const std::string text = to_chars(number, std::chars_format::scientific, digits - 1);
  int exponent = 0;
  const char* begin = text.data() + text.find('e') + 1;
  std::from_chars(begin + (*begin == '+' ? 1 : 0), text.data() + text.size(), exponent);
  return exponent;
}

std::string without_trailing_zeros(std::string text) {
  const size_t end = std::min(text.find('e'), text.size());
  if (text.find('.') >= end) return text;
  size_t keep = end;
  while (text[keep - 1] == '0') --keep;
  if (text[keep - 1] == '.') --keep;
  return text.erase(keep, end - keep);
}

}  // namespace

std::string integer_digits(int64_t number, int base, bool upper) {
  const uint64_t size = number < 0 ? ~static_cast<uint64_t>(number) + 1 : static_cast<uint64_t>(number);
  std::array<char, 65> buffer;
  const auto written = std::to_chars(buffer.data(), buffer.data() + buffer.size(), size, base);
  std::string text(buffer.data(), written.ptr);
  if (upper) std::transform(text.begin(), text.end(), text.begin(), [](char c) { return c >= 'a' ? c - 32 : c; });
  return text;
}

std::string real_digits(double number, char code, int precision, bool alternate) {
  number = std::abs(number);
  const bool upper = code >= 'A' && code <= 'Z';
  if (std::isnan(number)) return upper ? "NAN" : "nan";
  if (std::isinf(number)) return upper ? "INF" : "inf";
  precision = std::min(precision, kMaxPrecision);
  std::string text;
  switch (code | 0x20) {
    case 'e': text = to_chars(number, std::chars_format::scientific, precision); break;
    case 'f': text = to_chars(number, std::chars_format::fixed, precision); break;
    default: {
      const int digits = std::max(precision, 1);
      const int exponent = rounded_exponent(number, digits);
      const bool scientific = exponent < -4 || exponent >= digits;
      text = to_chars(number, scientific ? std::chars_format::scientific : std::chars_format::fixed,
                      scientific ? digits - 1 : digits - 1 - exponent);
      if (!alternate) text = without_trailing_zeros(std::move(text));
    }
  }
  if (alternate && text.find('.') == std::string::npos) text.insert(std::min(text.find('e'), text.size()), ".");
  if (upper) std::replace(text.begin(), text.end(), 'e', 'E');
  return text;
}

std::string general_digits(double number, int precision) {
  number = std::abs(number);
  if (!std::isfinite(number)) return float_text(number);
  const int digits = std::clamp(precision, 1, kMaxPrecision);
  const int exponent = rounded_exponent(number, digits);
  // One digit after the point must fit, so the limit for the scientific form is one lower than for g.
  if (exponent < -4 || exponent >= digits - 1) {
    return without_trailing_zeros(to_chars(number, std::chars_format::scientific, digits - 1));
  }
  std::string text = without_trailing_zeros(to_chars(number, std::chars_format::fixed, digits - 1 - exponent));
  if (text.find('.') == std::string::npos) text += ".0";
  return text;
}

std::string float_text(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number > 0 ? "inf" : "-inf";
  std::array<char, 40> buffer;
  const auto written =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), number, std::chars_format::scientific);
  std::string text(buffer.data(), written.ptr);  // d.ddde+XX
  const size_t e = text.find('e');
  int exponent = 0;
  std::from_chars(text.data() + e + (text[e + 1] == '+' ? 2 : 1), text.data() + text.size(), exponent);
  const std::string sign = text[0] == '-' ? "-" : "";
  std::string digits;
  for (const char c : std::string_view(text).substr(0, e)) {
    if (is_ascii_digit(c)) digits += c;
  }
  if (exponent < -4 || exponent >= 16) {
    std::string out = sign + digits[0];
    if (digits.size() > 1) out += "." + digits.substr(1);
    const int size = std::abs(exponent);
    return out + (exponent < 0 ? "e-" : "e+") + (size < 10 ? "0" : "") + std::to_string(size);
  }
  if (exponent < 0) return sign + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  const auto whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole) return sign + digits + std::string(whole - digits.size(), '0') + ".0";
  return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

}  // namespace gptq::chat
