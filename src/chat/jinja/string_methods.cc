// The methods of Python's str that templates may call.
#include <algorithm>
#include <map>
#include <string_view>

#include "chat/jinja/arguments.h"
#include "chat/jinja/iteration.h"
#include "chat/jinja/letter_case.h"
#include "chat/jinja/members.h"
#include "chat/jinja/operations.h"
#include "chat/jinja/text_functions.h"
#include "chat/jinja/text_search.h"
#include "unicode/characters.h"

namespace gptq::chat {

namespace {

// The list of the parts of a text that `for_each_part(sink)` passes to sink(begin, end). Every part is counted before
// the next one is searched for.
template <typename ForEachPart>
Value parts_of(Runtime& runtime, const MarkedText& text, bool from_right, const ForEachPart& for_each_part) {
  const Value list = runtime.list({});
  std::vector<Value>& items = list.list().items;
  for_each_part([&](size_t begin, size_t end) {
    runtime.limits.hold(1);
    items.push_back(runtime.string(text.substr(begin, end - begin)));
  });
  if (from_right) std::reverse(items.begin(), items.end());
  return list;
}

template <MarkedText (*kChange)(Runtime&, const MarkedText&)>
Value change_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "a string method");
  return runtime.string(kChange(runtime, self.marked()));
}

template <Side kSide>
Value strip(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"chars"}, "strip");
  const std::string* characters = bound.is_none_or_missing(0) ? nullptr : &bound.string(0).text;
  return runtime.string(stripped(runtime, self.marked(), kSide, characters));
}

template <bool kFromRight>
Value split_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"sep", "maxsplit"}, "split");
  const std::string* separator = bound.is_none_or_missing(0) ? nullptr : &bound.string(0).text;
  const int64_t limit = bound.integer(1, -1);
  const bool from_right = kFromRight && limit >= 0;  // without a limit both directions have the same result
  return parts_of(runtime, self.marked(), from_right,
                  [&](const PartSink& sink) { split(runtime, self.marked(), separator, limit, from_right, sink); });
}

Value splitlines(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"keepends"}, "splitlines");
  return parts_of(runtime, self.marked(), false,
                  [&](const PartSink& sink) { split_lines(runtime, self.marked(), bound.flag(0, false), sink); });
}

// The part of a string that the optional arguments `start` and `end` of a method choose, in bytes.
struct Window {
  size_t begin, end;
  bool possible;  // start is not after the end of the text
};

Window window_of(Runtime& runtime, const Value& self, const BoundArguments& bound) {
  if (bound.is_none_or_missing(1) && bound.is_none_or_missing(2)) return {0, self.text().size(), true};
  const auto size = static_cast<int64_t>(length(runtime, self));
  int64_t first = bound.is_none_or_missing(1) ? 0 : to_index(bound.at(1), "start");
  if (first < 0) first = std::max<int64_t>(first + size, 0);
  const int64_t last = slice_bound(bound.get(2, Value::none()), size, size);
  if (first > last) return {0, 0, false};
  return {char_offset(runtime, self.text(), static_cast<size_t>(first)),
          char_offset(runtime, self.text(), static_cast<size_t>(last)), true};
}

template <bool kAtEnd>
Value affix(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"prefix", "start", "end"}, kAtEnd ? "endswith" : "startswith");
  const Window window = window_of(runtime, self, bound);
  const std::string_view text = std::string_view(self.text()).substr(window.begin, window.end - window.begin);
  const auto fits = [&](const std::string& part) {
    runtime.limits.work(part.size());
    return window.possible && (kAtEnd ? text.ends_with(part) : text.starts_with(part));
  };
  if (!bound.at(0).is(Kind::kTuple)) return Value::boolean(fits(bound.string(0).text));
  for (const Value& part : bound.at(0).list().items) {
    if (!part.is_string()) fail("startswith and endswith take strings, not " + type_name(part));
    if (fits(part.text())) return Value::boolean(true);
  }
  return Value::boolean(false);
}

template <bool kAtEnd>
Value remove_affix(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"prefix"}, kAtEnd ? "removesuffix" : "removeprefix");
  const std::string& part = bound.string(0).text;
  runtime.limits.work(self.text().size());
  if (!(kAtEnd ? self.text().ends_with(part) : self.text().starts_with(part))) return self;
  return runtime.string(self.marked().substr(kAtEnd ? 0 : part.size(), self.text().size() - part.size()));
}

Value replace_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"old", "new", "count"}, "replace");
  return runtime.string(replaced(runtime, self.marked(), bound.string(0), bound.string(1), bound.integer(2, -1)));
}

Value join_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"iterable"}, "join");
  MarkedText out;
  bool first = true;
  for (const Value& part : iterate(runtime, bound.at(0))) {
    if (!part.is_string()) fail("join expects strings, found " + type_name(part));
    if (!first) runtime.append(out, self.marked());
    first = false;
    runtime.append(out, part.marked());
  }
  return runtime.string(std::move(out));
}

enum class Search { kFirst, kLast };

template <Search kSearch, bool kMustExist>
Value find(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"sub", "start", "end"}, "find");
  const std::string& part = bound.string(0).text;
  const Window window = window_of(runtime, self, bound);
  runtime.limits.work(self.text().size());
  size_t at = std::string::npos;
  if (window.possible) {
    at = kSearch == Search::kFirst ? find_text(self.text(), part, window.begin)
                                   : rfind_text(self.text(), part, window.end);
    const bool inside = at != std::string::npos && at >= window.begin && at + part.size() <= window.end;
    if (!inside) at = std::string::npos;
  }
  if (at == std::string::npos && kMustExist) fail("substring not found");
  return Value::integer(at == std::string::npos ? -1 : chars_before(self.text(), at));
}

Value count_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"sub", "start", "end"}, "count");
  const std::string& part = bound.string(0).text;
  const Window window = window_of(runtime, self, bound);
  if (!window.possible) return Value::integer(0);
  const std::string text = self.text().substr(window.begin, window.end - window.begin);
  runtime.limits.produce(text.size());
  if (part.empty()) return Value::integer(static_cast<int64_t>(count_chars(text)) + 1);
  int64_t times = 0;
  for (size_t at = find_text(text, part, 0); at != std::string::npos; at = find_text(text, part, at + part.size())) {
    ++times;
  }
  return Value::integer(times);
}

template <bool kFromRight>
Value partition(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"sep"}, "partition");
  const std::string& part = bound.string(0).text;
  if (part.empty()) fail("empty separator");
  runtime.limits.work(self.text().size());
  const size_t at = kFromRight ? rfind_text(self.text(), part, self.text().size()) : find_text(self.text(), part, 0);
  const Value nothing = Value::string("");
  if (at == std::string::npos) {
    return kFromRight ? runtime.tuple({nothing, nothing, self}) : runtime.tuple({self, nothing, nothing});
  }
  const size_t after = at + part.size();
  return runtime.tuple({runtime.string(self.marked().substr(0, at)),
                        runtime.string(self.marked().substr(at, part.size())),
                        runtime.string(self.marked().substr(after, self.text().size() - after))});
}

Value padded(Runtime& runtime, const Value& self, size_t left, size_t right, const MarkedText& filler) {
  if (count_chars(filler.text) != 1) fail("the fill character must be exactly one character long");
  MarkedText out;
  for (size_t i = 0; i < left; ++i) runtime.append(out, filler);
  runtime.append(out, self.marked());
  for (size_t i = 0; i < right; ++i) runtime.append(out, filler);
  return runtime.string(std::move(out));
}

enum class Align { kLeft, kRight, kCenter };

template <Align kAlign>
Value align(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"width", "fillchar"}, "ljust");
  static const MarkedText kFiller{" ", ""};
  const int64_t width = bound.integer(0, 0);
  const auto size = static_cast<int64_t>(length(runtime, self));
  if (width > static_cast<int64_t>(Limits::kMaxStringBytes)) fail("a width above 64 Mi");
  const auto missing = static_cast<size_t>(std::max<int64_t>(width - size, 0));
  const size_t left = kAlign == Align::kLeft    ? 0
                      : kAlign == Align::kRight ? missing
                                                : missing / 2 + (missing & static_cast<size_t>(width) & 1);
  return padded(runtime, self, left, missing - left, bound.has(1) ? bound.string(1) : kFiller);
}

Value zfill(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"width"}, "zfill");
  const int64_t width = bound.integer(0, 0);
  if (width > static_cast<int64_t>(Limits::kMaxStringBytes)) fail("a width above 64 Mi");
  const auto missing = static_cast<size_t>(std::max<int64_t>(width - static_cast<int64_t>(length(runtime, self)), 0));
  const size_t sign = self.text().starts_with('-') || self.text().starts_with('+') ? 1 : 0;
  MarkedText out = self.marked().substr(0, sign);
  runtime.append(out, std::string(missing, '0'));
  runtime.append(out, self.marked().substr(sign, self.text().size() - sign));
  return runtime.string(std::move(out));
}

template <bool (*kHolds)(char32_t)>
Value all_chars(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "a string test");
  runtime.limits.work(self.text().size());
  for (size_t position = 0; position < self.text().size();) {
    if (!kHolds(next_char(self.text(), position))) return Value::boolean(false);
  }
  return Value::boolean(!self.text().empty());
}

template <bool (*kHolds)(const std::string&)>
Value whole_text(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "a string test");
  runtime.limits.work(self.text().size());
  return Value::boolean(kHolds(self.text()));
}

bool is_upper(const std::string& text) { return is_case_of(text, true); }
bool is_lower(const std::string& text) { return is_case_of(text, false); }
bool is_ascii(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}
bool is_all_printable(const std::string& text) {
  for (size_t position = 0; position < text.size();) {
    if (!unicode::is_printable(next_char(text, position))) return false;
  }
  return true;
}

bool is_alphanumeric(char32_t code) { return unicode::is_letter(code) || is_numeric_char(code); }

// Tabs become spaces up to the next multiple of `tabsize` columns.
Value expand_tabs(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"tabsize"}, "expandtabs");
  const int64_t size = bound.integer(0, 8);
  if (size > 10'000) fail("a tab size above 10000");
  runtime.limits.work(self.text().size());
  MarkedText out;
  int64_t column = 0;
  for (size_t position = 0; position < self.text().size();) {
    const size_t begin = position;
    const char32_t code = next_char(self.text(), position);
    if (code == '\t') {
      const int64_t spaces = size > 0 ? size - column % size : 0;
      const char mark = self.marked().marks.empty() ? '\0' : self.marked().marks[begin];
      runtime.append(out, std::string(static_cast<size_t>(spaces), ' '), mark);
      column += spaces;
      continue;
    }
    runtime.append(out, substring(self.marked(), begin, position));
    column = code == '\n' || code == '\r' ? 0 : column + 1;
  }
  return runtime.string(std::move(out));
}

Value format_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  return runtime.string(brace_format(runtime, self.marked(), arguments));
}

Value format_map(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"mapping"}, "format_map");
  if (!bound.at(0).is_dict()) fail("format_map expects a mapping, not " + type_name(bound.at(0)));
  Arguments named;
  runtime.visit(bound.at(0).dict().entries.size());
  for (const auto& [key, value] : bound.at(0).dict().entries) {
    if (!key.is_string()) continue;
    runtime.limits.work(key.text().size());
    named.named.emplace_back(key.text(), value);
  }
  return runtime.string(brace_format(runtime, self.marked(), named));
}

}  // namespace

Native string_method(const std::string& name) {
  static const std::map<std::string, Native> kMethods = {{"upper", change_method<upper>},
                                                         {"lower", change_method<lower>},
                                                         {"casefold", change_method<casefolded>},
                                                         {"title", change_method<python_title>},
                                                         {"capitalize", change_method<capitalized>},
                                                         {"swapcase", change_method<swapped_case>},
                                                         {"strip", strip<Side::kBoth>},
                                                         {"lstrip", strip<Side::kLeft>},
                                                         {"rstrip", strip<Side::kRight>},
                                                         {"split", split_method<false>},
                                                         {"rsplit", split_method<true>},
                                                         {"splitlines", splitlines},
                                                         {"startswith", affix<false>},
                                                         {"endswith", affix<true>},
                                                         {"removeprefix", remove_affix<false>},
                                                         {"removesuffix", remove_affix<true>},
                                                         {"replace", replace_method},
                                                         {"join", join_method},
                                                         {"find", find<Search::kFirst, false>},
                                                         {"rfind", find<Search::kLast, false>},
                                                         {"index", find<Search::kFirst, true>},
                                                         {"rindex", find<Search::kLast, true>},
                                                         {"count", count_method},
                                                         {"partition", partition<false>},
                                                         {"rpartition", partition<true>},
                                                         {"ljust", align<Align::kLeft>},
                                                         {"rjust", align<Align::kRight>},
                                                         {"center", align<Align::kCenter>},
                                                         {"zfill", zfill},
                                                         {"isalpha", all_chars<unicode::is_letter>},
                                                         {"isdigit", all_chars<is_digit_char>},
                                                         {"isnumeric", all_chars<is_numeric_char>},
                                                         {"isdecimal", all_chars<is_decimal>},
                                                         {"isalnum", all_chars<is_alphanumeric>},
                                                         {"isspace", all_chars<is_python_space>},
                                                         {"isupper", whole_text<is_upper>},
                                                         {"islower", whole_text<is_lower>},
                                                         {"istitle", whole_text<is_title_of>},
                                                         {"isascii", whole_text<is_ascii>},
                                                         {"isprintable", whole_text<is_all_printable>},
                                                         {"expandtabs", expand_tabs},
                                                         {"format_map", format_map},
                                                         {"format", format_method}};
  const auto found = kMethods.find(name);
  return found == kMethods.end() ? nullptr : found->second;
}

}  // namespace gptq::chat
