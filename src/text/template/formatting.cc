// Python's two old ways of putting values into a text: percent signs and braces.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "text/template/operations.h"
#include "text/template/printing.h"
#include "text/template/text_functions.h"
#include "text/unicode.h"

namespace gptq::chat {

namespace {

struct Conversion {
  bool left = false;
  bool zeros = false;
  bool plus = false;
  size_t width = 0;
  int precision = -1;
  char type = 's';
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

class PercentFormatter {
 public:
  PercentFormatter(Runtime& runtime, const MarkedText& format, const Value& values)
      : runtime_(runtime), format_(format), values_(values) {}

  MarkedText run() {
    const std::string& text = format_.text;
    size_t plain = 0;
    while (true) {
      position_ = text.find('%', plain);
      if (position_ == std::string::npos) break;
      runtime_.append(out_, format_.substr(plain, position_ - plain));
      ++position_;
      convert();
      plain = position_;
    }
    runtime_.append(out_, format_.substr(plain, text.size() - plain));
    const bool container = values_.is_dict() || values_.is(Kind::kList);  // may be left unused
    if (values_.is(Kind::kTuple) ? next_ < values_.list().items.size() : next_ == 0 && !container) {
      fail("not all arguments converted during string formatting");
    }
    return std::move(out_);
  }

 private:
  char peek() const { return position_ < format_.text.size() ? format_.text[position_] : '\0'; }

  size_t number() {
    size_t value = 0;
    while (is_digit(peek())) {
      value = value * 10 + static_cast<size_t>(peek() - '0');
      if (value > 10'000) fail("a width above 10000");
      ++position_;
    }
    return value;
  }

  Value argument(const std::string& name) {
    if (!name.empty()) return item(runtime_, values_, Value::string(name));
    if (!values_.is(Kind::kTuple)) {
      if (next_++ > 0) fail("not enough arguments for format string");
      return values_;
    }
    if (next_ >= values_.list().items.size()) fail("not enough arguments for format string");
    return values_.list().items[next_++];
  }

  void convert() {
    std::string name;
    if (peek() == '(') {
      const size_t close = format_.text.find(')', position_);
      if (close == std::string::npos) fail("incomplete format key");
      name = format_.text.substr(position_ + 1, close - position_ - 1);
      position_ = close + 1;
    }
    Conversion conversion;
    for (; peek() == '-' || peek() == '0' || peek() == '+'; ++position_) {
      conversion.left |= peek() == '-';
      conversion.zeros |= peek() == '0';
      conversion.plus |= peek() == '+';
    }
    conversion.width = number();
    if (peek() == '.') {
      ++position_;
      conversion.precision = static_cast<int>(std::min<size_t>(number(), 100));
    }
    conversion.type = peek();
    ++position_;
    if (conversion.type == '%') return runtime_.append(out_, "%");
    pad(spelled(argument(name), conversion), conversion);
  }

  MarkedText spelled(const Value& value, const Conversion& conversion) {
    const auto plain = [](std::string text) { return MarkedText{std::move(text), "", false}; };
    switch (conversion.type) {
      case 's':
      case 'r': {
        MarkedText text = conversion.type == 's' ? to_text(runtime_, value) : to_repr(runtime_, value);
        if (conversion.precision < 0) return text;
        const std::vector<size_t> starts = char_starts(text.text);
        return text.substr(0, starts[std::min<size_t>(static_cast<size_t>(conversion.precision), starts.size() - 1)]);
      }
      case 'd':
      case 'i':
      case 'x': {
        if (!value.is_number()) fail("%d format: a number is required, not " + type_name(value));
        if (value.is(Kind::kFloat) && !(std::abs(value.real()) < 9e18)) fail("%d format: the number is too large");
        const int64_t whole = value.is(Kind::kFloat) ? static_cast<int64_t>(value.real()) : value.integer();
        std::array<char, 70> buffer;
        const auto written =
            std::to_chars(buffer.data(), buffer.data() + buffer.size(), whole, conversion.type == 'x' ? 16 : 10);
        std::string text(buffer.data(), written.ptr);
        if (conversion.plus && whole >= 0) text.insert(0, "+");
        return plain(std::move(text));
      }
      case 'f':
      case 'g': {
        if (!value.is_number()) fail("must be real number, not " + type_name(value));
        std::array<char, 512> buffer;
        const auto style = conversion.type == 'f' ? std::chars_format::fixed : std::chars_format::general;
        const auto written = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value.real(), style,
                                           conversion.precision < 0 ? 6 : conversion.precision);
        std::string text(buffer.data(), written.ptr);
        if (conversion.plus && value.real() >= 0) text.insert(0, "+");
        return plain(std::move(text));
      }
      default: fail(std::string("unsupported format character '") + conversion.type + "'");
    }
  }

  void pad(const MarkedText& text, const Conversion& conversion) {
    const size_t size = count_chars(text.text);
    const size_t missing = conversion.width > size ? conversion.width - size : 0;
    if (conversion.left) {
      runtime_.append(out_, text);
      runtime_.append(out_, std::string(missing, ' '));
    } else if (conversion.zeros && conversion.type != 's' && conversion.type != 'r') {
      const size_t sign = !text.text.empty() && (text.text[0] == '-' || text.text[0] == '+') ? 1 : 0;
      runtime_.append(out_, text.substr(0, sign));
      runtime_.append(out_, std::string(missing, '0'));
      runtime_.append(out_, text.substr(sign, text.text.size() - sign));
    } else {
      runtime_.append(out_, std::string(missing, ' '));
      runtime_.append(out_, text);
    }
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

MarkedText brace_format(Runtime& runtime, const MarkedText& format, const Arguments& arguments) {
  MarkedText out;
  const std::string& text = format.text;
  size_t next = 0;
  for (size_t position = 0; position < text.size();) {
    const size_t brace = text.find_first_of("{}", position);
    runtime.append(out, format.substr(position, brace == std::string::npos ? brace : brace - position));
    if (brace == std::string::npos) break;
    if (brace + 1 < text.size() && text[brace + 1] == text[brace]) {
      runtime.append(out, format.substr(brace, 1));
      position = brace + 2;
      continue;
    }
    const size_t close = text.find('}', brace);
    if (text[brace] == '}' || close == std::string::npos) fail("a single brace in a format string");
    const std::string field = text.substr(brace + 1, close - brace - 1);
    if (field.find_first_of(".[:!{") != std::string::npos) fail("the format field {" + field + "} is not supported");
    const bool numbered = !field.empty() && field.find_first_not_of("0123456789") == std::string::npos;
    if (field.empty() || numbered) {
      size_t index = next;
      if (numbered)
        std::from_chars(field.data(), field.data() + field.size(), index);
      else
        ++next;
      if (index >= arguments.positional.size()) fail("a format string with more fields than arguments");
      runtime.append(out, to_text(runtime, arguments.positional[index]));
    } else {
      const auto named = std::find_if(arguments.named.begin(), arguments.named.end(),
                                      [&](const auto& entry) { return entry.first == field; });
      if (named == arguments.named.end()) fail("a format string names '" + field + "', which is not passed");
      runtime.append(out, to_text(runtime, named->second));
    }
    position = close + 1;
  }
  return out;
}

}  // namespace gptq::chat
