// Filters on numbers, and the conversions to them.
#include <cctype>
#include <charconv>
#include <cmath>
#include <optional>

#include "text/template/arguments.h"
#include "text/template/filters.h"
#include "text/template/operations.h"
#include "text/template/printing.h"
#include "text/template/text_functions.h"

namespace gptq::chat {

namespace {

// What Python's int(text, base) accepts, without the rarest spellings.
std::optional<int64_t> parse_integer(std::string text, int64_t base) {
  std::erase(text, '_');
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.erase(0, 1);
  const auto prefix = [&](char letter) {
    return text.size() > 2 && text[0] == '0' && std::tolower(static_cast<unsigned char>(text[1])) == letter;
  };
  if ((base == 16 && prefix('x')) || (base == 8 && prefix('o')) || (base == 2 && prefix('b'))) text.erase(0, 2);
  if (text.empty() || base < 2 || base > 36 || text[0] == '-') return std::nullopt;
  if (negative) text.insert(0, 1, '-');
  int64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number, static_cast<int>(base));
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<double> parse_real(std::string text) {
  std::erase(text, '_');
  if (text.starts_with('+')) text.erase(0, 1);
  double number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<int64_t> truncated(double number) {
  if (!(std::abs(number) < 9.2e18)) return std::nullopt;
  return static_cast<int64_t>(number);
}

Value to_integer(Runtime&, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"default", "base"}, "int");
  const Value fallback = bound.get(0, Value::integer(0));
  std::optional<int64_t> number;
  if (value.is_integer()) {
    number = value.integer();
  } else if (value.is(Kind::kFloat)) {
    number = truncated(value.real());
  } else if (value.is_string()) {
    const std::string text = stripped(value.marked(), Side::kBoth, nullptr).text;
    number = parse_integer(text, bound.integer(1, 10));
    if (!number) {
      if (const std::optional<double> real = parse_real(text)) number = truncated(*real);
    }
  }
  return number ? Value::integer(*number) : fallback;
}

Value to_real(Runtime&, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"default"}, "float");
  if (value.is_number()) return Value::real(value.real());
  if (value.is_string()) {
    const std::optional<double> number = parse_real(stripped(value.marked(), Side::kBoth, nullptr).text);
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

// Half to even on the decimal spelling, as Python's round does.
double rounded_common(double number, int64_t precision) {
  if (precision > 300 || !std::isfinite(number)) return number;
  if (precision <= 0) {
    const double scale = std::pow(10.0, static_cast<double>(-precision));
    return std::isfinite(scale) ? std::nearbyint(number / scale) * scale : 0.0;
  }
  std::string text(400 + static_cast<size_t>(precision), '\0');
  const auto written = std::to_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed,
                                     static_cast<int>(precision));
  double result = number;
  std::from_chars(text.data(), written.ptr, result);
  return result;
}

Value round(Runtime&, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"precision", "method"}, "round");
  if (!value.is_number()) fail("round expects a number, not " + type_name(value));
  const int64_t precision = bound.integer(0, 0);
  const std::string method = bound.has(1) ? bound.string(1).text : "common";
  if (method == "common" && value.is_integer() && precision > 0) return Value::integer(value.integer());
  if (method == "common") {
    const double result = rounded_common(value.real(), precision);
    return value.is_integer() ? Value::integer(static_cast<int64_t>(result)) : Value::real(result);
  }
  if (method != "ceil" && method != "floor") fail("method must be common, ceil or floor");
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = value.real() * scale;
  return Value::real((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

}  // namespace

const std::map<std::string, Native>& number_filters() {
  static const std::map<std::string, Native> kFilters = {
      {"int", to_integer}, {"float", to_real}, {"abs", absolute}, {"round", round}};
  return kFilters;
}

}  // namespace gptq::chat
