// [[fill]align][sign][z][#][0][width][grouping][.precision][type]
#include "chat/jinja/format_spec.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "chat/jinja/number_text.h"
#include "chat/jinja/operations.h"
#include "chat/jinja/printing.h"
#include "unicode/characters.h"

namespace gptq::chat {

namespace {

struct Spec {
  MarkedText fill{" ", ""};
  char align = '\0';  // < > = ^
  char sign = '\0';
  bool no_negative_zero = false;
  bool alternate = false;
  bool zeros = false;
  size_t width = 0;
  char grouping = '\0';
  int precision = -1;
  char type = '\0';
};

class SpecReader {
 public:
  explicit SpecReader(const MarkedText& spec) : spec_(spec), text_(spec.text) {}

  Spec run() {
    Spec spec;
    read_fill(spec);
    if (one_of("+- ")) spec.sign = take();
    if (peek() == 'z') spec.no_negative_zero = take() != '\0';
    if (peek() == '#') spec.alternate = take() != '\0';
    if (!filled_ && peek() == '0') {
      spec.zeros = take() != '\0';
      spec.fill.text = "0";
    }
    spec.width = number();
    if (one_of(",_")) spec.grouping = take();
    if (one_of(",_")) fail("Cannot specify both ',' and '_'.");
    if (peek() == '.') {
      take();
      if (peek() < '0' || peek() > '9') fail("Format specifier missing precision");
      spec.precision = static_cast<int>(number());
    }
    if (position_ < text_.size()) spec.type = take();
    if (position_ < text_.size()) fail("Invalid format specifier");
    return spec;
  }

 private:
  char peek() const { return position_ < text_.size() ? text_[position_] : '\0'; }
  char take() { return text_[position_++]; }
  bool one_of(std::string_view chars) const { return peek() != '\0' && chars.find(peek()) != std::string_view::npos; }

  void read_fill(Spec& spec) {
    static constexpr std::string_view kAligns = "<>=^";
    size_t after = 0;
    if (!text_.empty()) next_char(text_, after);
    if (after > 0 && after < text_.size() && kAligns.find(text_[after]) != std::string_view::npos) {
      spec.fill = spec_.substr(0, after);
      position_ = after;
      filled_ = true;
    }
    if (one_of(kAligns)) spec.align = take();
  }

  size_t number() {
    constexpr size_t kWidest = 10'000;
    size_t value = 0;
    for (; peek() >= '0' && peek() <= '9'; ++position_) {
      value = value * 10 + static_cast<size_t>(peek() - '0');
      if (value > kWidest) fail("a width above 10000 in a format");
    }
    return value;
  }

  const MarkedText& spec_;
  const std::string& text_;
  size_t position_ = 0;
  bool filled_ = false;
};

MarkedText padded(Runtime& runtime, const Spec& spec, const MarkedText& text, char default_align) {
  const size_t size = count_chars(text.text);
  const size_t missing = spec.width > size ? spec.width - size : 0;
  const char align = spec.align != '\0' ? spec.align : default_align;
  const size_t left = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
  MarkedText out;
  for (size_t i = 0; i < left; ++i) runtime.append(out, spec.fill);
  runtime.append(out, text);
  for (size_t i = left; i < missing; ++i) runtime.append(out, spec.fill);
  return out;
}

[[noreturn]] void unknown_code(const Spec& spec, const Value& value) {
  fail(std::string("Unknown format code '") + spec.type + "' for object of type '" + type_name(value) + "'");
}

MarkedText format_text(Runtime& runtime, const Value& value, const Spec& spec) {
  if (spec.type != '\0' && spec.type != 's') unknown_code(spec, value);
  if (spec.sign != '\0' || spec.no_negative_zero) fail("Sign not allowed in string format specifier");
  if (spec.alternate) fail("Alternate form (#) not allowed in string format specifier");
  if (spec.align == '=') fail("'=' alignment not allowed in string format specifier");
  if (spec.grouping != '\0') fail(std::string("Cannot specify '") + spec.grouping + "' with 's'.");
  MarkedText text = value.marked();
  if (spec.precision >= 0)
    text = substring(text, 0, char_offset(runtime, text.text, static_cast<size_t>(spec.precision)));
  return padded(runtime, spec, text, '<');
}

// `whole` with a separator between groups, and with leading zeros up to `width`.
std::string grouped(const std::string& whole, size_t group, char separator, size_t width) {
  std::string out;  // from right to left
  for (size_t i = 0; i < whole.size() || out.size() < width; ++i) {
    if (i > 0 && i % group == 0) out += separator;
    out += i < whole.size() ? whole[whole.size() - 1 - i] : '0';
  }
  std::reverse(out.begin(), out.end());
  return out;
}

MarkedText format_digits(Runtime& runtime, const Spec& spec, bool negative, const std::string& prefix,
                         const std::string& digits) {
  const std::string sign = negative ? "-" : spec.sign == '+' || spec.sign == ' ' ? std::string(1, spec.sign) : "";
  const char align = spec.align != '\0' ? spec.align : spec.zeros ? '=' : '>';
  const std::string front = sign + prefix;
  std::string body = digits;
  const size_t whole = std::min(digits.find_first_not_of("0123456789abcdefABCDEF"), digits.size());
  const bool number = !digits.empty() && (digits[0] != 'i' && digits[0] != 'n' && digits[0] != 'I' && digits[0] != 'N');
  if (spec.grouping != '\0' && number) {
    const bool decimal = spec.type != 'b' && spec.type != 'o' && spec.type != 'x' && spec.type != 'X';
    const size_t end = decimal ? std::min(digits.find_first_not_of("0123456789"), digits.size()) : whole;
    const std::string rest = digits.substr(end);
    const size_t used = front.size() + rest.size();
    const bool fills = align == '=' && spec.fill.text == "0" && spec.width > used;
    body = grouped(digits.substr(0, end), decimal ? 3 : 4, spec.grouping, fills ? spec.width - used : 0) + rest;
  }
  Spec outer = spec;
  outer.align = align;
  if (align != '=') return padded(runtime, outer, {front + body, ""}, '>');
  outer.width = spec.width > front.size() ? spec.width - front.size() : 0;
  outer.align = '>';
  MarkedText out{front, ""};
  runtime.append(out, padded(runtime, outer, {body, ""}, '>'));
  return out;
}

MarkedText format_real(Runtime& runtime, const Value& value, const Spec& spec) {
  static constexpr std::string_view kCodes = "eEfFgGn%";
  if (spec.type != '\0' && kCodes.find(spec.type) == std::string_view::npos) unknown_code(spec, value);
  if (spec.type == 'n' && spec.grouping != '\0') fail("Cannot specify a group sign with 'n'.");
  const double number = spec.type == '%' ? value.real() * 100 : value.real();
  const int precision = spec.precision < 0 ? 6 : spec.precision;
  std::string digits;
  if (spec.type == '\0')
    digits = spec.precision < 0 ? float_text(std::abs(number)) : general_digits(number, spec.precision);
  else
    digits = real_digits(number,
                         spec.type == '%'   ? 'f'
                         : spec.type == 'n' ? 'g'
                                            : spec.type,
                         precision, spec.alternate);
  if (spec.type == '%') digits += '%';
  const bool zero = spec.no_negative_zero && digits.find_first_of("123456789in") == std::string::npos;
  return format_digits(runtime, spec, std::signbit(number) && !std::isnan(number) && !zero, "", digits);
}

MarkedText format_integer(Runtime& runtime, const Value& value, const Spec& spec) {
  static constexpr std::string_view kReal = "eEfFgG%";
  if (spec.type != '\0' && kReal.find(spec.type) != std::string_view::npos) return format_real(runtime, value, spec);
  if (spec.precision >= 0) fail("Precision not allowed in integer format specifier");
  if (spec.no_negative_zero) fail("Negative zero coercion (z) not allowed in format specifier with integer");
  const int64_t number = value.integer();
  if (spec.type == 'c') {
    if (spec.sign != '\0') fail("Sign not allowed with integer format specifier 'c'");
    if (spec.alternate) fail("Alternate form (#) not allowed with integer format specifier 'c'");
    if (number < 0 || number > 0x10FFFF) fail("%c arg not in range(0x110000)");
    const bool surrogate = number >= 0xD800 && number <= 0xDFFF;
    return padded(runtime, spec, {utf8(surrogate ? kReplacementChar : static_cast<char32_t>(number)), ""}, '<');
  }
  static constexpr std::string_view kBases = "boxX";
  const bool based = spec.type != '\0' && kBases.find(spec.type) != std::string_view::npos;
  if (!based && spec.type != '\0' && spec.type != 'd' && spec.type != 'n') unknown_code(spec, value);
  if (spec.grouping == ',' && based) fail("Cannot specify ',' with '" + std::string(1, spec.type) + "'.");
  if (spec.grouping != '\0' && spec.type == 'n') fail("Cannot specify a group sign with 'n'.");
  const int base = spec.type == 'b' ? 2 : spec.type == 'o' ? 8 : based ? 16 : 10;
  const std::string prefix = spec.alternate && based ? std::string("0") + spec.type : "";
  return format_digits(runtime, spec, number < 0, prefix, integer_digits(number, base, spec.type == 'X'));
}

}  // namespace

MarkedText format_value(Runtime& runtime, const Value& value, const MarkedText& spec_text) {
  if (spec_text.text.empty()) return to_text(runtime, value);
  const bool formats = value.is_string() || value.is_number();
  if (!formats) fail("unsupported format string passed to " + type_name(value) + ".__format__");
  const Spec spec = SpecReader(spec_text).run();
  if (value.is_string()) return format_text(runtime, value, spec);
  return value.is(Kind::kFloat) ? format_real(runtime, value, spec) : format_integer(runtime, value, spec);
}

}  // namespace gptq::chat
