// Python's str, repr and json.dumps over template values, with the marks of input strings carried along.
#include "text/template/printing.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "text/unicode.h"

namespace gptq::chat {

namespace {

constexpr std::string_view kHex = "0123456789abcdef";

std::string hex(char32_t code, int digits) {
  std::string out(static_cast<size_t>(digits), '0');
  for (int i = digits - 1; i >= 0; --i, code >>= 4) out[static_cast<size_t>(i)] = kHex[code & 15];
  return out;
}

// Rewrites every character by `spell(code)`, an empty result meaning "as it is"; marks follow their characters.
template <typename Spell>
void append_spelled(Runtime& runtime, MarkedText& out, const MarkedText& text, const Spell& spell) {
  for (size_t position = 0; position < text.text.size();) {
    const size_t begin = position;
    const std::string spelling = spell(next_char(text.text, position));
    const char mark = text.marks.empty() ? '\0' : text.marks[begin];
    runtime.append(out, spelling.empty() ? std::string_view(text.text).substr(begin, position - begin) : spelling,
                   mark);
  }
}

// Python chooses double quotes only where single ones would need escaping.
void append_repr_string(Runtime& runtime, MarkedText& out, const MarkedText& text) {
  const bool has_single = text.text.find('\'') != std::string::npos;
  const bool has_double = text.text.find('"') != std::string::npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  runtime.append(out, std::string_view(&quote, 1));
  append_spelled(runtime, out, text, [&](char32_t code) -> std::string {
    if (code == static_cast<char32_t>(quote) || code == '\\') return std::string("\\") + static_cast<char>(code);
    if (code == '\n') return "\\n";
    if (code == '\r') return "\\r";
    if (code == '\t') return "\\t";
    if (is_printable(code)) return "";
    if (code < 0x100) return "\\x" + hex(code, 2);
    if (code < 0x10000) return "\\u" + hex(code, 4);
    return "\\U" + hex(code, 8);
  });
  runtime.append(out, std::string_view(&quote, 1));
}

void append_repr(Runtime& runtime, MarkedText& out, const Value& value);

void append_entries(Runtime& runtime, MarkedText& out, const DictObject& dict) {
  runtime.append(out, "{");
  bool first = true;
  for (const auto& [key, item] : dict.entries) {
    if (!first) runtime.append(out, ", ");
    first = false;
    append_repr(runtime, out, key);
    runtime.append(out, ": ");
    append_repr(runtime, out, item);
  }
  runtime.append(out, "}");
}

void append_repr(Runtime& runtime, MarkedText& out, const Value& value) {
  runtime.limits.step();
  runtime.limits.enter();
  switch (value.kind()) {
    case Kind::kUndefined: runtime.append(out, "Undefined"); break;
    case Kind::kString: append_repr_string(runtime, out, value.marked()); break;
    case Kind::kList:
    case Kind::kTuple: {
      const auto& items = value.list().items;
      if (!value.list().spelling.empty()) {
        runtime.append(out, value.list().spelling);
        break;
      }
      runtime.append(out, value.is(Kind::kList) ? "[" : "(");
      for (size_t i = 0; i < items.size(); ++i) {
        if (i > 0) runtime.append(out, ", ");
        append_repr(runtime, out, items[i]);
      }
      if (value.is(Kind::kTuple) && items.size() == 1) runtime.append(out, ",");
      runtime.append(out, value.is(Kind::kList) ? "]" : ")");
      break;
    }
    case Kind::kDict: append_entries(runtime, out, value.dict()); break;
    case Kind::kNamespace:
      runtime.append(out, "<Namespace ");
      append_entries(runtime, out, value.dict());
      runtime.append(out, ">");
      break;
    default: runtime.append(out, to_text(runtime, value)); break;
  }
  runtime.limits.leave();
}

void append_json_string(Runtime& runtime, MarkedText& out, const MarkedText& text, bool ensure_ascii) {
  runtime.append(out, "\"");
  append_spelled(runtime, out, text, [&](char32_t code) -> std::string {
    switch (code) {
      case '"': return "\\\"";
      case '\\': return "\\\\";
      case '\n': return "\\n";
      case '\r': return "\\r";
      case '\t': return "\\t";
      case '\b': return "\\b";
      case '\f': return "\\f";
      default: break;
    }
    if (code < 0x20 || (ensure_ascii && code >= 0x7F && code < 0x10000)) {
      return code == 0x7F ? "" : "\\u" + hex(code, 4);
    }
    if (ensure_ascii && code >= 0x10000) {
      return "\\u" + hex(0xD800 + ((code - 0x10000) >> 10), 4) + "\\u" + hex(0xDC00 + ((code - 0x10000) & 0x3FF), 4);
    }
    return "";
  });
  runtime.append(out, "\"");
}

class JsonWriter {
 public:
  JsonWriter(Runtime& runtime, const JsonStyle& style) : runtime_(runtime), style_(style) {}

  MarkedText run(const Value& value) {
    write(value, 0);
    return std::move(out_);
  }

 private:
  void write(const Value& value, int level) {
    runtime_.limits.step();
    runtime_.limits.enter();
    switch (value.kind()) {
      case Kind::kNone: runtime_.append(out_, "null"); break;
      case Kind::kBool: runtime_.append(out_, value.flag() ? "true" : "false"); break;
      case Kind::kInt: runtime_.append(out_, std::to_string(value.integer())); break;
      case Kind::kFloat: runtime_.append(out_, number(value.real())); break;
      case Kind::kString: append_json_string(runtime_, out_, value.marked(), style_.ensure_ascii); break;
      case Kind::kList:
      case Kind::kTuple: write_list(value.list().items, level); break;
      case Kind::kDict: write_dict(value.dict(), level); break;
      default: fail("Object of type " + type_name(value) + " is not JSON serializable");
    }
    runtime_.limits.leave();
  }

  static std::string number(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
    return float_text(value);
  }

  void new_line(int level) {
    if (!style_.indent) return;
    runtime_.append(out_, "\n");
    for (int i = 0; i < level; ++i) runtime_.append(out_, *style_.indent);
  }

  void write_list(const std::vector<Value>& items, int level) {
    runtime_.append(out_, "[");
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) runtime_.append(out_, style_.item_separator);
      new_line(level + 1);
      write(items[i], level + 1);
    }
    if (!items.empty()) new_line(level);
    runtime_.append(out_, "]");
  }

  // Keys that are not strings are written as JSON would write the value, in quotes.
  MarkedText key_text(const Value& key) {
    if (key.is_string()) return key.marked();
    if (key.is(Kind::kFloat)) return {number(key.real()), "", false};
    if (key.is_none()) return {"null", "", false};
    if (key.is(Kind::kBool)) return {key.flag() ? "true" : "false", "", false};
    if (key.is(Kind::kInt)) return {std::to_string(key.integer()), "", false};
    fail("keys must be str, int, float, bool or None, not " + type_name(key));
  }

  void write_dict(const DictObject& dict, int level) {
    std::vector<std::pair<MarkedText, const Value*>> entries;
    for (const auto& [key, value] : dict.entries) entries.emplace_back(key_text(key), &value);
    if (style_.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(),
                       [](const auto& a, const auto& b) { return a.first.text < b.first.text; });
    }
    runtime_.append(out_, "{");
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) runtime_.append(out_, style_.item_separator);
      new_line(level + 1);
      append_json_string(runtime_, out_, entries[i].first, style_.ensure_ascii);
      runtime_.append(out_, style_.key_separator);
      write(*entries[i].second, level + 1);
    }
    if (!entries.empty()) new_line(level);
    runtime_.append(out_, "}");
  }

  Runtime& runtime_;
  const JsonStyle& style_;
  MarkedText out_;
};

}  // namespace

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
    if (c >= '0' && c <= '9') digits += c;
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

MarkedText to_repr(Runtime& runtime, const Value& value) {
  MarkedText out;
  append_repr(runtime, out, value);
  return out;
}

MarkedText to_text(Runtime& runtime, const Value& value) {
  const auto plain = [](std::string text) { return MarkedText{std::move(text), "", false}; };
  switch (value.kind()) {
    case Kind::kUndefined: return {};
    case Kind::kNone: return plain("None");
    case Kind::kBool: return plain(value.flag() ? "True" : "False");
    case Kind::kInt: return plain(std::to_string(value.integer()));
    case Kind::kFloat: return plain(float_text(value.real()));
    case Kind::kString: return value.marked();
    case Kind::kCallable: return plain("<function " + value.callable().name() + ">");
    case Kind::kLoop: return plain("<LoopContext>");
    default: return to_repr(runtime, value);
  }
}

MarkedText to_json(Runtime& runtime, const Value& value, const JsonStyle& style) {
  return JsonWriter(runtime, style).run(value);
}

}  // namespace gptq::chat
