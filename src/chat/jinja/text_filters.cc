// Filters that produce or change text, including JSON.
#include <algorithm>

#include "chat/jinja/arguments.h"
#include "chat/jinja/filters.h"
#include "chat/jinja/from_json.h"
#include "chat/jinja/iteration.h"
#include "chat/jinja/letter_case.h"
#include "chat/jinja/members.h"
#include "chat/jinja/operations.h"
#include "chat/jinja/printing.h"
#include "chat/jinja/text_functions.h"
#include "core/json.h"
#include "unicode/characters.h"

namespace gptq::chat {

namespace {

template <MarkedText (*kChange)(Runtime&, const MarkedText&)>
Value change(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "a text filter");
  return runtime.string(kChange(runtime, to_text(runtime, value)));
}

Value string(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "string");
  return value.is_string() ? value : runtime.string(to_text(runtime, value));
}

Value trim(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"chars"}, "trim");
  const std::string* characters = bound.is_none_or_missing(0) ? nullptr : &bound.string(0).text;
  return runtime.string(stripped(runtime, to_text(runtime, value), Side::kBoth, characters));
}

Value replace(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"old", "new", "count"}, "replace");
  const int64_t limit = bound.is_none_or_missing(2) ? -1 : bound.integer(2, -1);
  return runtime.string(
      replaced(runtime, to_text(runtime, value), to_text(runtime, bound.at(0)), to_text(runtime, bound.at(1)), limit));
}

// Indents every line but the first; empty lines only with `blank`.
Value indent(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"width", "first", "blank"}, "indent");
  MarkedText space{"    ", ""};
  if (bound.has(0) && bound.at(0).is_string())
    space = bound.string(0);
  else
    space.text = std::string(static_cast<size_t>(std::clamp<int64_t>(bound.integer(0, 4), 0, 10'000)), ' ');
  const bool blank = bound.flag(2, false);
  if (!value.is_string()) fail("indent expects a string, not " + type_name(value));
  MarkedText text = value.marked();
  runtime.append(text, "\n");
  MarkedText out;
  bool first = true;
  split_lines(runtime, text, false, [&](size_t begin, size_t end) {
    if (!first) runtime.append(out, "\n");
    if (first ? bound.flag(1, false) : (blank || begin < end)) runtime.append(out, space);
    first = false;
    runtime.append(out, text.substr(begin, end - begin));
  });
  return runtime.string(std::move(out));
}

// Cuts at a word border, unless `killwords`, when the text is longer than `length` plus `leeway`.
Value truncate(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"length", "killwords", "end", "leeway"}, "truncate");
  const MarkedText end = bound.has(2) ? bound.string(2) : MarkedText{"...", ""};
  const int64_t limit = bound.integer(0, 255);
  const int64_t leeway = bound.is_none_or_missing(3) ? 5 : bound.integer(3, 5);
  const auto end_size = static_cast<int64_t>(count_chars(end.text));
  if (limit < end_size) fail("truncate() expects a length of at least " + std::to_string(end_size));
  if (leeway < 0) fail("truncate() expects a leeway of at least 0");
  const auto size = static_cast<int64_t>(length(runtime, value));
  if (size - leeway <= limit) return value;  // any value with a length
  if (!value.is_string()) fail("truncate expects a string, not " + type_name(value));
  const size_t cut = char_offset(runtime, value.text(), static_cast<size_t>(limit - end_size));
  MarkedText out = substring(value.marked(), 0, cut);
  if (!bound.flag(1, false)) {
    const size_t space = out.text.rfind(' ');
    if (space != std::string::npos) out = out.substr(0, space);
  }
  runtime.append(out, end);
  return runtime.string(std::move(out));
}

Value center(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"width"}, "center");
  Arguments width;
  width.positional.push_back(bound.get(0, Value::integer(80)));
  const Value text = runtime.string(to_text(runtime, value));
  return string_method("center")(runtime, text, width);
}

Value word_count(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "wordcount");
  const std::string text = to_text(runtime, value).text;
  runtime.limits.work(text.size());
  int64_t words = 0;
  bool inside = false;
  for (size_t position = 0; position < text.size();) {
    const char32_t code = next_char(text, position);
    const bool word = code == '_' || unicode::is_letter(code) || is_numeric_char(code);
    words += word && !inside ? 1 : 0;
    inside = word;
  }
  return Value::integer(words);
}

Value format(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const MarkedText text = to_text(runtime, value);
  if (!arguments.named.empty()) {
    if (!arguments.positional.empty()) fail("can't handle positional and keyword arguments at the same time");
    const Value named = runtime.dict();
    for (const auto& [name, item] : arguments.named) named.dict().set(runtime.limits, name, item);
    return runtime.string(percent_format(runtime, text, named));
  }
  return runtime.string(percent_format(runtime, text, runtime.tuple(arguments.positional)));
}

Value tojson(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"ensure_ascii", "indent", "separators", "sort_keys"}, "tojson");
  JsonStyle style;
  style.ensure_ascii = bound.flag(0, false);
  style.sort_keys = bound.flag(3, false);
  if (!bound.is_none_or_missing(1)) {
    style.indent = bound.at(1).is_string()
                       ? bound.string(1).text
                       : std::string(static_cast<size_t>(std::clamp<int64_t>(bound.integer(1, 0), 0, 1000)), ' ');
    style.item_separator = ",";
  }
  if (!bound.is_none_or_missing(2)) {
    const std::vector<Value> pair = iterate(runtime, bound.at(2));
    if (pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string()) fail("separators are two strings");
    style.item_separator = pair[0].text();
    style.key_separator = pair[1].text();
  }
  return runtime.string(to_json(runtime, value, style));
}

// Not in Jinja, but used by some templates. The result is marked if any of the text is.
Value parse(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "from_json");
  if (!value.is_string()) fail("from_json expects a string, not " + type_name(value));
  constexpr size_t kWork = 4;  // the cost of parsing, in passes over the text
  runtime.limits.work(kWork * value.text().size());
  const bool marked = value.marked().any_marked(0, value.text().size());
  return from_json(runtime, parse_ordered_json(value.text(), "the text given to from_json"), marked);
}

}  // namespace

const std::map<std::string, Native>& text_filters() {
  static const std::map<std::string, Native> kFilters = {{"string", string},
                                                         {"upper", change<upper>},
                                                         {"lower", change<lower>},
                                                         {"capitalize", change<capitalized>},
                                                         {"title", change<jinja_title>},
                                                         {"trim", trim},
                                                         {"replace", replace},
                                                         {"indent", indent},
                                                         {"truncate", truncate},
                                                         {"center", center},
                                                         {"wordcount", word_count},
                                                         {"format", format},
                                                         {"tojson", tojson},
                                                         {"from_json", parse}};
  return kFilters;
}

}  // namespace gptq::chat
