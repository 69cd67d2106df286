// Python's str.format: fields in braces, with attributes, subscripts, conversions and nested specifications.
#include <algorithm>
#include <charconv>

#include "chat/jinja/format_spec.h"
#include "chat/jinja/members.h"
#include "chat/jinja/operations.h"
#include "chat/jinja/printing.h"
#include "chat/jinja/text_functions.h"

namespace gptq::chat {

namespace {

bool is_number(const std::string& text) {
  return !text.empty() && text.size() < 10 && text.find_first_not_of("0123456789") == std::string::npos;
}

int64_t to_number(const std::string& text) {
  int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

class BraceFormatter {
 public:
  BraceFormatter(Runtime& runtime, const Arguments& arguments) : runtime_(runtime), arguments_(arguments) {}

  MarkedText run(const MarkedText& format, int depth) {
    if (depth < 0) fail("Max string recursion exceeded");
    runtime_.limits.work(format.text.size());
    const std::string& text = format.text;
    MarkedText out;
    for (size_t position = 0; position < text.size();) {
      runtime_.limits.step();
      const size_t brace = std::min(text.find_first_of("{}", position), text.size());
      runtime_.append(out, format.substr(position, brace - position));
      if (brace == text.size()) break;
      if (brace + 1 < text.size() && text[brace + 1] == text[brace]) {
        runtime_.append(out, format.substr(brace, 1));
        position = brace + 2;
        continue;
      }
      if (text[brace] == '}') fail("Single '}' encountered in format string");
      position = field(format, brace + 1, depth, out);
    }
    return out;
  }

 private:
  // Reads the field that begins at `begin`, after its brace, and returns the position after the field.
  size_t field(const MarkedText& format, size_t begin, int depth, MarkedText& out) {
    const std::string& text = format.text;
    size_t end = begin, nested = 1;
    for (; end < text.size(); ++end) {
      if (text[end] == '{') ++nested;
      if (text[end] == '}' && --nested == 0) break;
    }
    if (end == text.size()) fail("expected '}' before end of string");
    size_t name_end = begin;
    for (bool inside = false; name_end < end; ++name_end) {
      const char c = text[name_end];
      if (c == '{') fail("unexpected '{' in field name");
      if (c == '[') inside = true;
      if (c == ']') inside = false;
      if (!inside && (c == ':' || c == '!')) break;
    }
    char conversion = '\0';
    size_t spec_begin = name_end;
    if (name_end < end && text[name_end] == '!') {
      if (name_end + 1 >= end) fail("unmatched '{' in format spec");
      conversion = text[name_end + 1];
      spec_begin = name_end + 2;
      if (spec_begin < end && text[spec_begin] != ':') fail("expected ':' after conversion specifier");
    }
    if (spec_begin < end) ++spec_begin;  // the colon
    const Value value = converted(find(text.substr(begin, name_end - begin)), conversion);
    const MarkedText spec = run(format.substr(spec_begin, end - spec_begin), depth - 1);
    runtime_.append(out, format_value(runtime_, value, spec));
    return end + 1;
  }

  Value converted(const Value& value, char conversion) {
    switch (conversion) {
      case '\0': return value;
      case 's': return runtime_.string(to_text(runtime_, value));
      case 'r': return runtime_.string(to_repr(runtime_, value));
      case 'a': return runtime_.string(to_ascii(to_repr(runtime_, value).text));
      default: fail(std::string("Unknown conversion specifier ") + conversion);
    }
  }

  Value find(const std::string& name) {
    const size_t first_end = std::min(name.find_first_of(".["), name.size());
    Value value = argument(name.substr(0, first_end), name.empty(), is_number(name));
    for (size_t position = first_end; position < name.size();) {
      runtime_.limits.step();
      if (name[position] == '.') {
        const size_t end = std::min(name.find_first_of(".[", position + 1), name.size());
        if (end == position + 1) fail("Empty attribute in format string");
        value = attribute(runtime_, value, name.substr(position + 1, end - position - 1));
        position = end;
      } else {
        const size_t close = name.find(']', position);
        if (name[position] != '[') fail("Only '.' or '[' may follow ']' in format field specifier");
        if (close == std::string::npos) fail("Missing ']' in format string");
        if (close == position + 1) fail("Empty attribute in format string");
        const std::string key = name.substr(position + 1, close - position - 1);
        value = subscript(runtime_, value, is_number(key) ? Value::integer(to_number(key)) : Value::string(key));
        position = close + 1;
      }
    }
    return value;
  }

  // By name, by number, or, for "{}", the next one. "{}" and "{0}" do not go together; "{0.x}" goes with both.
  Value argument(const std::string& name, bool automatic, bool bare) {
    if (!automatic && !is_number(name)) {
      runtime_.visit(arguments_.named.size());
      const auto named = std::find_if(arguments_.named.begin(), arguments_.named.end(),
                                      [&](const auto& entry) { return entry.first == name; });
      if (named == arguments_.named.end()) fail("a format string names '" + name + "', which is not passed");
      return named->second;
    }
    if (automatic ? numbered_ : bare && next_ > 0) fail("a format string mixes fields with and without numbers");
    numbered_ |= bare;
    const auto index = automatic ? next_++ : static_cast<size_t>(to_number(name));
    if (index >= arguments_.positional.size()) fail("a format string has more fields than arguments");
    return arguments_.positional[index];
  }

  Runtime& runtime_;
  const Arguments& arguments_;
  size_t next_ = 0;
  bool numbered_ = false;
};

}  // namespace

MarkedText brace_format(Runtime& runtime, const MarkedText& format, const Arguments& arguments) {
  constexpr int kNestedSpecs = 2;  // as in Python
  return BraceFormatter(runtime, arguments).run(format, kNestedSpecs);
}

}  // namespace gptq::chat
