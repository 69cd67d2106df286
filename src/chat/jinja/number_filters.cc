// Filters on numbers, and the conversions to them.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <optional>

#include "chat/jinja/arguments.h"
#include "chat/jinja/filters.h"
#include "chat/jinja/letter_case.h"
#include "chat/jinja/number_text.h"
#include "chat/jinja/operations.h"
#include "chat/jinja/text_functions.h"
#include "core/ascii.h"
#include "unicode/characters.h"

namespace gptq::chat {

namespace {

enum class Outcome { kRead, kMalformed, kTooLarge };

// Replaces digits of any script by ASCII ones and strips white space, as Python does when it reads numbers.
std::string plain_digits(Runtime& runtime, const std::string& text) {
  runtime.limits.work(text.size());
  std::string out;
  for (size_t position = 0; position < text.size();) {
    const char32_t code = next_char(text, position);
    if (code < 0x80) {
      out += static_cast<char>(code);
    } else if (is_python_space(code)) {
      out += ' ';
    } else if (is_decimal(code)) {
      char32_t zero = code;  // the digits of a script are contiguous, beginning with zero
      while (is_decimal(zero - 1)) --zero;
      out += static_cast<char>('0' + (code - zero) % 10);
    } else {
      out += '?';
    }
  }
  return stripped({out, ""}, Side::kBoth).text;
}

// Underscores are allowed alone and between digits; after a prefix such as 0x one is allowed too.
bool remove_underscores(std::string& text) {
  const auto joins = [&](size_t i) {
    const auto alphanumeric = [&](size_t at) { return is_ascii_alnum(text[at]); };
    return i > 0 && i + 1 < text.size() && alphanumeric(i - 1) && alphanumeric(i + 1);
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '_' && !joins(i)) return false;
  }
  std::erase(text, '_');
  return true;
}

Outcome parse_integer(std::string text, int64_t base, int64_t& number) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.erase(0, 1);
  const char letter = text.size() > 2 && text[0] == '0' ? static_cast<char>(text[1] | 0x20) : '\0';
  const int64_t prefixed = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
  if (base == 0 && prefixed == 0) {
    if (text.size() > 1 && text[0] == '0' && text.find_first_not_of("0_") != std::string::npos) {
      return Outcome::kMalformed;
    }
    base = 10;
  }
  if (prefixed != 0 && (base == prefixed || base == 0)) {
    base = prefixed;
    text.erase(0, text[2] == '_' ? 3 : 2);
  }
  if (base < 2 || base > 36 || !remove_underscores(text) || text.empty()) return Outcome::kMalformed;
  if (text[0] == '-') return Outcome::kMalformed;
  if (negative) text.insert(0, 1, '-');
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number, static_cast<int>(base));
  if (read.ptr != text.data() + text.size() || read.ec == std::errc::invalid_argument) return Outcome::kMalformed;
  return read.ec == std::errc() ? Outcome::kRead : Outcome::kTooLarge;
}

std::optional<double> parse_real(std::string text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.erase(0, 1);
  if (text.empty() || text[0] == '-' || text.find('(') != std::string::npos || !remove_underscores(text)) {
    return std::nullopt;
  }
  double number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec == std::errc::invalid_argument || read.ptr != text.data() + text.size()) return std::nullopt;
  if (read.ec != std::errc()) number = std::strtod(text.c_str(), nullptr);  // out of range: infinity or zero
  return negative ? -number : number;
}

Value truncated(double number) {
  if (!(std::abs(number) < 9.2e18)) fail("an integer does not fit in 64 bits");
  return Value::integer(static_cast<int64_t>(number));
}

Value to_integer(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"default", "base"}, "int");
  const Value fallback = bound.get(0, Value::integer(0));
  if (value.is_undefined()) fail_undefined(value);
  if (value.is_integer()) return Value::integer(value.integer());
  if (value.is(Kind::kFloat)) {
    if (std::isinf(value.real())) fail("cannot convert float infinity to integer");
    return std::isnan(value.real()) ? fallback : truncated(value.real());
  }
  if (!value.is_string()) return fallback;
  const std::string text = plain_digits(runtime, value.text());
  int64_t number = 0;
  switch (parse_integer(text, bound.integer(1, 10), number)) {
    case Outcome::kRead: return Value::integer(number);
    case Outcome::kTooLarge: fail("the integer " + text.substr(0, 40) + " does not fit in 64 bits");
    case Outcome::kMalformed: break;
  }
  const std::optional<double> real = parse_real(text);
  return real && std::isfinite(*real) ? truncated(*real) : fallback;
}

Value to_real(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"default"}, "float");
  if (value.is_undefined()) fail_undefined(value);
  if (value.is_number()) return Value::real(value.real());
  if (value.is_string()) {
    const std::optional<double> number = parse_real(plain_digits(runtime, value.text()));
    if (number) return Value::real(*number);
  }
  return bound.get(0, Value::real(0.0));
}

Value absolute(Runtime&, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "abs");
  if (value.is(Kind::kFloat)) return Value::real(std::abs(value.real()));
  if (!value.is_integer()) fail("bad operand type for abs(): '" + type_name(value) + "'");
  return value.integer() < 0 ? negative(value) : Value::integer(value.integer());
}

// Half to even on the exact value, as Python's round does.
double rounded_common(double number, int64_t precision) {
  if (precision > 300 || !std::isfinite(number)) return number;
  if (precision < -308) return std::copysign(0.0, number);
  if (precision == 0) return std::nearbyint(number);
  if (precision < 0) {
    const double scale = std::pow(10.0, static_cast<double>(-precision));
    const double rest = std::fmod(std::abs(number), scale), whole = std::abs(number) - rest;
    const bool odd = std::fmod(whole / scale, 2.0) != 0;
    const bool up = rest > scale / 2 || (rest == scale / 2 && odd);
    return std::copysign(whole + (up ? scale : 0.0), number);
  }
  std::string text(400 + static_cast<size_t>(precision), '\0');
  const auto written = std::to_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed,
                                     static_cast<int>(precision));
  double result = number;
  std::from_chars(text.data(), written.ptr, result);
  return result;
}

int64_t rounded_integer(int64_t number, int64_t precision) {
  if (precision >= 0) return number;
  if (precision < -18) return 0;
  int64_t scale = 1;
  for (int64_t i = 0; i < -precision; ++i) scale *= 10;
  const int64_t rest = (number % scale + scale) % scale, whole = number - rest;
  const bool up = rest > scale / 2 || (rest == scale / 2 && (whole / scale) % 2 != 0);
  return whole + (up ? scale : 0);
}

Value round(Runtime&, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"precision", "method"}, "round");
  if (!value.is_number()) fail("round expects a number, not " + type_name(value));
  const std::string method = bound.has(1) ? bound.string(1).text : "common";
  if (method != "common" && method != "ceil" && method != "floor") fail("method must be common, ceil or floor");
  if (method == "common" && bound.has(0) && bound.at(0).is_none()) {
    if (value.is_integer()) return Value::integer(value.integer());
    if (!std::isfinite(value.real())) fail("cannot convert float infinity or NaN to integer");
    return truncated(std::nearbyint(value.real()));
  }
  const int64_t precision = bound.integer(0, 0);
  if (method == "common") {
    return value.is_integer() ? Value::integer(rounded_integer(value.integer(), precision))
                              : Value::real(rounded_common(value.real(), precision));
  }
  if (!std::isfinite(value.real())) fail("cannot convert float infinity or NaN to integer");
  if (std::abs(precision) > 300) fail("a precision above 300");
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = value.real() * scale;
  if (!std::isfinite(scaled)) fail("cannot convert float infinity to integer");
  return Value::real((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

std::string integer_text(double number) { return std::to_string(truncated(number).integer()); }

Value file_size(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"binary"}, "filesizeformat");
  const bool binary = bound.flag(0, false);
  std::optional<double> bytes;
  if (value.is_number()) bytes = value.real();
  if (value.is_string()) bytes = parse_real(plain_digits(runtime, value.text()));
  if (!bytes) fail("filesizeformat expects a number, not " + type_name(value));
  if (*bytes == 1) return Value::string("1 Byte");
  const double base = binary ? 1024 : 1000;
  if (std::isnan(*bytes)) fail("filesizeformat expects a number, found nan");
  if (*bytes < base) return runtime.string(integer_text(*bytes) + " Bytes");
  static constexpr const char* kUnits[] = {"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"};
  static constexpr const char* kBinaryUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"};
  double unit = base;
  size_t i = 0;
  do unit *= base;
  while (*bytes >= unit && ++i < std::size(kUnits));
  i = std::min(i, std::size(kUnits) - 1);
  unit = std::pow(base, static_cast<double>(i + 2));
  const std::string number = real_digits(base * *bytes / unit, 'f', 1, false);
  return runtime.string(number + " " + (binary ? kBinaryUnits[i] : kUnits[i]));
}

}  // namespace

const std::map<std::string, Native>& number_filters() {
  static const std::map<std::string, Native> kFilters = {
      {"int", to_integer}, {"float", to_real}, {"abs", absolute}, {"round", round}, {"filesizeformat", file_size}};
  return kFilters;
}

}  // namespace gptq::chat
