// Python's % formatting: "%s has %05.2f" % (name, number).
#include <algorithm>
#include <cmath>

#include "chat/jinja/number_text.h"
#include "chat/jinja/operations.h"
#include "chat/jinja/printing.h"
#include "chat/jinja/text_functions.h"
#include "core/ascii.h"
#include "unicode/characters.h"

namespace gptq::chat {

namespace {

struct Conversion {
  bool left = false, zeros = false, plus = false, space = false, alternate = false;
  int64_t width = 0;
  int64_t precision = -1;
  char type = 's';
};

// A number before padding.
struct Spelled {
  std::string sign;  // with the prefix of #x
  std::string digits;
};

class PercentFormatter {
 public:
  PercentFormatter(Runtime& runtime, const MarkedText& format, const Value& values)
      : runtime_(runtime), format_(format), values_(values) {}

  MarkedText run() {
    const std::string& text = format_.text;
    runtime_.limits.work(text.size());
    size_t plain = 0;
    while (true) {
      position_ = text.find('%', plain);
      if (position_ == std::string::npos) break;
      runtime_.limits.step();
      runtime_.append(out_, format_.substr(plain, position_ - plain));
      ++position_;
      convert();
      plain = position_;
    }
    runtime_.append(out_, format_.substr(plain, text.size() - plain));
    const bool left_over = values_.is(Kind::kTuple) ? next_ < values_.list().items.size() : next_ == 0;
    if (left_over && !may_be_left()) fail("not all arguments converted during string formatting");
    return std::move(out_);
  }

 private:
  // Python counts everything with subscripts as a mapping here.
  bool may_be_left() const {
    return values_.is_dict() || values_.is(Kind::kList) || values_.is(Kind::kRange) || values_.is_undefined();
  }

  char peek() const { return position_ < format_.text.size() ? format_.text[position_] : '\0'; }

  int64_t number() {
    if (peek() == '*') {
      ++position_;
      return bounded(to_index(argument(), "* of a format"));
    }
    int64_t value = 0;
    for (; is_ascii_digit(peek()); ++position_) value = bounded(value * 10 + (peek() - '0'));
    return value;
  }

  static int64_t bounded(int64_t value) {
    constexpr int64_t kWidest = 10'000;
    if (value > kWidest || value < -kWidest) fail("a width above 10000 in a format");
    return value;
  }

  Value argument() {
    if (!values_.is(Kind::kTuple)) {
      if (next_++ > 0) fail("not enough arguments for format string");
      return values_;
    }
    if (next_ >= values_.list().items.size()) fail("not enough arguments for format string");
    return values_.list().items[next_++];
  }

  Value named_argument() {
    size_t depth = 1, end = ++position_;
    for (; end < format_.text.size() && depth > 0; ++end) {
      if (format_.text[end] == '(') ++depth;
      if (format_.text[end] == ')') --depth;
    }
    if (depth > 0) fail("incomplete format key");
    const std::string name = format_.text.substr(position_, end - 1 - position_);
    position_ = end;
    if (values_.is_undefined()) fail_undefined(values_);
    const Value* found = values_.is_dict() ? values_.dict().find(name) : nullptr;
    if (found == nullptr)
      fail(values_.is_dict() ? "the format names '" + name + "', which is not passed" : "format requires a mapping");
    return *found;
  }

  void convert() {
    if (peek() == '%') {
      ++position_;
      return runtime_.append(out_, "%");
    }
    const bool named = peek() == '(';
    Value value;
    if (named) value = named_argument();
    Conversion conversion;
    for (bool flags = true; flags;) {
      switch (peek()) {
        case '-': conversion.left = true; break;
        case '0': conversion.zeros = true; break;
        case '+': conversion.plus = true; break;
        case ' ': conversion.space = true; break;
        case '#': conversion.alternate = true; break;
        default: flags = false;
      }
      if (flags) ++position_;
    }
    conversion.width = number();
    if (conversion.width < 0) {
      conversion.left = true;
      conversion.width = -conversion.width;
    }
    if (peek() == '.') {
      ++position_;
      conversion.precision = std::max<int64_t>(number(), 0);
    }
    if (peek() == 'h' || peek() == 'l' || peek() == 'L') ++position_;
    if (position_ >= format_.text.size()) fail("incomplete format");
    conversion.type = peek();
    ++position_;
    put(named ? value : argument(), conversion);
  }

  void put(const Value& value, const Conversion& conversion) {
    switch (conversion.type) {
      case 's': return pad_text(to_text(runtime_, value), conversion);
      case 'r': return pad_text(to_repr(runtime_, value), conversion);
      case 'a': return pad_text({to_ascii(to_repr(runtime_, value).text), ""}, conversion);
      case 'c': return pad_text(one_char(value), conversion);
      case 'd':
      case 'i':
      case 'u':
      case 'o':
      case 'x':
      case 'X': return pad_number(integer(value, conversion), conversion);
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G': return pad_number(real(value, conversion), conversion);
      default: fail(std::string("unsupported format character '") + conversion.type + "'");
    }
  }

  MarkedText one_char(const Value& value) const {
    if (value.is_string() && length(runtime_, value) == 1) return value.marked();
    if (!value.is_integer()) fail("%c requires int or char");
    const int64_t code = value.integer();
    if (code < 0 || code > 0x10FFFF) fail("%c arg not in range(0x110000)");
    const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    return {utf8(surrogate ? kReplacementChar : static_cast<char32_t>(code)), ""};
  }

  static std::string sign(bool negative, const Conversion& conversion) {
    return negative ? "-" : conversion.plus ? "+" : conversion.space ? " " : "";
  }

  static Spelled integer(const Value& value, const Conversion& conversion) {
    const bool decimal = conversion.type == 'd' || conversion.type == 'i' || conversion.type == 'u';
    if (!value.is_number() || (!decimal && !value.is_integer())) {
      fail(std::string("%") + conversion.type + " format: " + (decimal ? "a real number" : "an integer") +
           " is required, not " + type_name(value));
    }
    if (value.is(Kind::kFloat) && !(std::abs(value.real()) < 9.2e18)) {
      fail(std::string("%") + conversion.type + " format: the number does not fit in 64 bits");
    }
    const int64_t whole = value.is(Kind::kFloat) ? static_cast<int64_t>(value.real()) : value.integer();
    const int base = decimal ? 10 : conversion.type == 'o' ? 8 : 16;
    Spelled spelled{sign(whole < 0, conversion), integer_digits(whole, base, conversion.type == 'X')};
    const auto wanted = static_cast<size_t>(std::max<int64_t>(conversion.precision, 0));
    if (spelled.digits.size() < wanted) spelled.digits.insert(0, wanted - spelled.digits.size(), '0');
    if (conversion.alternate && !decimal) spelled.sign += std::string("0") + conversion.type;
    return spelled;
  }

  static Spelled real(const Value& value, const Conversion& conversion) {
    if (!value.is_number()) fail("must be real number, not " + type_name(value));
    const int precision = conversion.precision < 0 ? 6 : static_cast<int>(conversion.precision);
    return {sign(std::signbit(value.real()) && !std::isnan(value.real()), conversion),
            real_digits(value.real(), conversion.type, precision, conversion.alternate)};
  }

  void pad_text(MarkedText text, const Conversion& conversion) {
    if (conversion.precision >= 0 && conversion.type != 'c') {
      text = substring(text, 0, char_offset(runtime_, text.text, static_cast<size_t>(conversion.precision)));
    }
    const auto size = static_cast<int64_t>(count_chars(text.text));
    const std::string space(static_cast<size_t>(std::max<int64_t>(conversion.width - size, 0)), ' ');
    if (!conversion.left) runtime_.append(out_, space);
    runtime_.append(out_, text);
    if (conversion.left) runtime_.append(out_, space);
  }

  void pad_number(const Spelled& number, const Conversion& conversion) {
    const auto size = static_cast<int64_t>(number.sign.size() + number.digits.size());
    const auto missing = static_cast<size_t>(std::max<int64_t>(conversion.width - size, 0));
    const bool zeros = conversion.zeros && !conversion.left;
    if (!conversion.left && !zeros) runtime_.append(out_, std::string(missing, ' '));
    runtime_.append(out_, number.sign);
    if (zeros) runtime_.append(out_, std::string(missing, '0'));
    runtime_.append(out_, number.digits);
    if (conversion.left) runtime_.append(out_, std::string(missing, ' '));
  }

  Runtime& runtime_;
  const MarkedText& format_;
  const Value& values_;
  size_t position_ = 0;
  size_t next_ = 0;
  MarkedText out_;
};

}  // namespace

MarkedText percent_format(Runtime& runtime, const MarkedText& format, const Value& values) {
  return PercentFormatter(runtime, format, values).run();
}

}  // namespace gptq::chat
