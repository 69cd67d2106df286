// Python's str, repr and json.dumps of template values; marks of input strings are preserved.
#include "chat/jinja/printing.h"

#include <algorithm>
#include <cmath>

#include "chat/jinja/iteration.h"
#include "chat/jinja/number_text.h"
#include "chat/jinja/operations.h"
#include "unicode/characters.h"

namespace gptq::chat {

namespace {

constexpr std::string_view kHex = "0123456789abcdef";

std::string hex(char32_t code, int digits) {
  std::string out(static_cast<size_t>(digits), '0');
  for (int i = digits - 1; i >= 0; --i, code >>= 4) out[static_cast<size_t>(i)] = kHex[code & 15];
  return out;
}

std::string escaped(char32_t code) {
  if (code < 0x100) return "\\x" + hex(code, 2);
  if (code < 0x10000) return "\\u" + hex(code, 4);
  return "\\U" + hex(code, 8);
}

// Rewrites every character with `spell(code)`, where "" means unchanged; marks follow their characters.
template <typename Spell>
void append_spelled(Runtime& runtime, MarkedText& out, const MarkedText& text, const Spell& spell) {
  runtime.limits.work(text.text.size());
  size_t kept = 0;  // up to here everything is written
  for (size_t position = 0; position < text.text.size();) {
    const size_t begin = position;
    const std::string spelling = spell(next_char(text.text, position));
    if (spelling.empty()) continue;
    runtime.append(out, text.substr(kept, begin - kept));
    runtime.append(out, spelling, text.marks.empty() ? '\0' : text.marks[begin]);
    kept = position;
  }
  runtime.append(out, kept == 0 ? text : text.substr(kept, text.text.size() - kept));
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
    return unicode::is_printable(code) ? "" : escaped(code);
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

void append_items(Runtime& runtime, MarkedText& out, const std::vector<Value>& items) {
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) runtime.append(out, ", ");
    append_repr(runtime, out, items[i]);
  }
}

std::string range_text(const RangeObject& range) {
  std::string text = "range(" + std::to_string(range.start) + ", " + std::to_string(range.stop);
  if (range.step != 1) text += ", " + std::to_string(range.step);
  return text + ")";
}

std::string loop_text(Runtime& runtime, LoopObject& loop) {
  return "<LoopContext " + std::to_string(loop.index + 1) + "/" + std::to_string(loop.length(runtime)) + ">";
}

void append_repr(Runtime& runtime, MarkedText& out, const Value& value) {
  runtime.limits.step();
  const Nesting level(runtime.limits);
  switch (value.kind()) {
    case Kind::kUndefined: runtime.append(out, "Undefined"); break;
    case Kind::kNone: runtime.append(out, "None"); break;
    case Kind::kBool: runtime.append(out, value.flag() ? "True" : "False"); break;
    case Kind::kInt: runtime.append(out, std::to_string(value.integer())); break;
    case Kind::kFloat: runtime.append(out, float_text(value.real())); break;
    case Kind::kString: append_repr_string(runtime, out, value.marked()); break;
    case Kind::kList:
      runtime.append(out, "[");
      append_items(runtime, out, value.list().items);
      runtime.append(out, "]");
      break;
    case Kind::kTuple:
      runtime.append(out, "(");
      append_items(runtime, out, value.list().items);
      runtime.append(out, value.list().items.size() == 1 ? ",)" : ")");
      break;
    case Kind::kRange: runtime.append(out, range_text(value.range())); break;
    case Kind::kView:
      runtime.append(out, value.list().type + std::string("(["));
      append_items(runtime, out, value.list().items);
      runtime.append(out, "])");
      break;
    case Kind::kIterator: runtime.append(out, "<generator object>"); break;
    case Kind::kDict: append_entries(runtime, out, value.dict()); break;
    case Kind::kNamespace:
      runtime.append(out, "<Namespace ");
      append_entries(runtime, out, value.dict());
      runtime.append(out, ">");
      break;
    case Kind::kCallable: runtime.append(out, value.callable().spelling()); break;
    case Kind::kLoop: runtime.append(out, loop_text(runtime, value.loop())); break;
  }
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
    if (code < 0x20 || (ensure_ascii && code >= 0x7F && code < 0x10000)) return "\\u" + hex(code, 4);
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
    const Nesting nesting(runtime_.limits);
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
    if (key.is(Kind::kFloat)) return {number(key.real()), ""};
    if (key.is_none()) return {"null", ""};
    if (key.is(Kind::kBool)) return {key.flag() ? "true" : "false", ""};
    if (key.is(Kind::kInt)) return {std::to_string(key.integer()), ""};
    fail("keys must be str, int, float, bool or None, not " + type_name(key));
  }

  void write_dict(const DictObject& dict, int level) {
    std::vector<std::pair<const Value*, const Value*>> entries;
    runtime_.visit(dict.entries.size());
    for (const auto& [key, value] : dict.entries) entries.emplace_back(&key, &value);
    if (style_.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(),
                       [&](const auto& a, const auto& b) { return compare(runtime_, *a.first, *b.first) < 0; });
    }
    runtime_.append(out_, "{");
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) runtime_.append(out_, style_.item_separator);
      new_line(level + 1);
      append_json_string(runtime_, out_, key_text(*entries[i].first), style_.ensure_ascii);
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

MarkedText to_repr(Runtime& runtime, const Value& value) {
  MarkedText out;
  append_repr(runtime, out, value);
  return out;
}

std::string to_ascii(const std::string& repr) {
  std::string out;
  for (size_t position = 0; position < repr.size();) {
    const char32_t code = next_char(repr, position);
    if (code < 0x80)
      out += static_cast<char>(code);
    else
      out += escaped(code);
  }
  return out;
}

MarkedText to_text(Runtime& runtime, const Value& value) {
  if (value.is_string()) {
    runtime.limits.work(value.text().size());
    return value.marked();
  }
  if (value.is_undefined()) return {};
  return to_repr(runtime, value);
}

MarkedText to_json(Runtime& runtime, const Value& value, const JsonStyle& style) {
  return JsonWriter(runtime, style).run(value);
}

}  // namespace gptq::chat
