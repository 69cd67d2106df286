// The methods of Python's str that templates may call.
#include <algorithm>
#include <map>

#include "text/template/arguments.h"
#include "text/template/members.h"
#include "text/template/operations.h"
#include "text/template/text_functions.h"
#include "text/unicode.h"

namespace gptq::chat {

namespace {

Value list_of(Runtime& runtime, std::vector<MarkedText> parts) {
  std::vector<Value> items;
  for (MarkedText& part : parts) items.push_back(runtime.string(std::move(part)));
  return runtime.list(std::move(items));
}

template <MarkedText (*kChange)(Runtime&, const MarkedText&)>
Value change(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "a string method");
  return runtime.string(kChange(runtime, self.marked()));
}

template <Side kSide>
Value strip(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"chars"}, "strip");
  const std::string* characters = bound.is_none_or_missing(0) ? nullptr : &bound.string(0).text;
  return runtime.string(stripped(self.marked(), kSide, characters));
}

template <bool kFromRight>
Value split_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"sep", "maxsplit"}, "split");
  const std::string* separator = bound.is_none_or_missing(0) ? nullptr : &bound.string(0).text;
  return list_of(runtime, split(self.marked(), separator, bound.integer(1, -1), kFromRight));
}

Value splitlines(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"keepends"}, "splitlines");
  return list_of(runtime, split_lines(self.marked(), bound.flag(0, false)));
}

template <bool kAtEnd>
Value affix(Runtime&, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"prefix"}, kAtEnd ? "endswith" : "startswith");
  const auto fits = [&](const std::string& part) {
    return kAtEnd ? self.text().ends_with(part) : self.text().starts_with(part);
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
  if (!(kAtEnd ? self.text().ends_with(part) : self.text().starts_with(part))) return self;
  return runtime.string(self.marked().substr(kAtEnd ? 0 : part.size(), self.text().size() - part.size()));
}

Value replace(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"old", "new", "count"}, "replace");
  return runtime.string(replaced(runtime, self.marked(), bound.string(0), bound.string(1), bound.integer(2, -1)));
}

Value join(Runtime& runtime, const Value& self, const Arguments& arguments) {
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
Value find(Runtime&, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"sub"}, "find");
  const std::string& part = bound.string(0).text;
  const size_t found = kSearch == Search::kFirst ? self.text().find(part) : self.text().rfind(part);
  if (found == std::string::npos && kMustExist) fail("substring not found");
  return Value::integer(found == std::string::npos ? -1 : chars_before(self.text(), found));
}

Value count(Runtime&, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"sub"}, "count");
  const std::string& part = bound.string(0).text;
  if (part.empty()) return Value::integer(static_cast<int64_t>(length(self)) + 1);
  int64_t times = 0;
  for (size_t at = self.text().find(part); at != std::string::npos; at = self.text().find(part, at + part.size()))
    ++times;
  return Value::integer(times);
}

template <bool kFromRight>
Value partition(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"sep"}, "partition");
  const std::string& part = bound.string(0).text;
  if (part.empty()) fail("empty separator");
  const size_t at = kFromRight ? self.text().rfind(part) : self.text().find(part);
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
  static const MarkedText kSpace{" ", "", false};
  const int64_t width = bound.integer(0, 0);
  const auto size = static_cast<int64_t>(length(self));
  if (width > static_cast<int64_t>(Limits::kLongestString)) fail("a width above 64 Mi");
  const auto missing = static_cast<size_t>(std::max<int64_t>(width - size, 0));
  const size_t left = kAlign == Align::kLeft    ? 0
                      : kAlign == Align::kRight ? missing
                                                : missing / 2 + (missing & static_cast<size_t>(width) & 1);
  return padded(runtime, self, left, missing - left, bound.has(1) ? bound.string(1) : kSpace);
}

Value zfill(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"width"}, "zfill");
  const int64_t width = bound.integer(0, 0);
  if (width > static_cast<int64_t>(Limits::kLongestString)) fail("a width above 64 Mi");
  const auto missing = static_cast<size_t>(std::max<int64_t>(width - static_cast<int64_t>(length(self)), 0));
  const size_t sign = self.text().starts_with('-') || self.text().starts_with('+') ? 1 : 0;
  MarkedText out = self.marked().substr(0, sign);
  runtime.append(out, std::string(missing, '0'));
  runtime.append(out, self.marked().substr(sign, self.text().size() - sign));
  return runtime.string(std::move(out));
}

template <bool (*kHolds)(char32_t)>
Value all_chars(Runtime&, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "a string test");
  for (size_t position = 0; position < self.text().size();) {
    if (!kHolds(next_char(self.text(), position))) return Value::boolean(false);
  }
  return Value::boolean(!self.text().empty());
}

// True when there are letters with case and all of them have this one.
template <bool (*kWanted)(char32_t), bool (*kUnwanted)(char32_t)>
Value has_case(Runtime&, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "a string test");
  bool any = false;
  for (size_t position = 0; position < self.text().size();) {
    const char32_t code = next_char(self.text(), position);
    if (kUnwanted(code)) return Value::boolean(false);
    any |= kWanted(code);
  }
  return Value::boolean(any);
}

bool is_letter_or_number(char32_t code) { return is_letter(code) || is_numeric(code); }

Value format(Runtime& runtime, const Value& self, const Arguments& arguments) {
  return runtime.string(brace_format(runtime, self.marked(), arguments));
}

}  // namespace

Native string_method(const std::string& name) {
  static const std::map<std::string, Native> kMethods = {{"upper", change<upper>},
                                                         {"lower", change<lower>},
                                                         {"casefold", change<lower>},
                                                         {"title", change<python_title>},
                                                         {"capitalize", change<capitalized>},
                                                         {"swapcase", change<swapped_case>},
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
                                                         {"replace", replace},
                                                         {"join", join},
                                                         {"find", find<Search::kFirst, false>},
                                                         {"rfind", find<Search::kLast, false>},
                                                         {"index", find<Search::kFirst, true>},
                                                         {"rindex", find<Search::kLast, true>},
                                                         {"count", count},
                                                         {"partition", partition<false>},
                                                         {"rpartition", partition<true>},
                                                         {"ljust", align<Align::kLeft>},
                                                         {"rjust", align<Align::kRight>},
                                                         {"center", align<Align::kCenter>},
                                                         {"zfill", zfill},
                                                         {"isalpha", all_chars<is_letter>},
                                                         {"isdigit", all_chars<is_numeric>},
                                                         {"isnumeric", all_chars<is_numeric>},
                                                         {"isdecimal", all_chars<is_numeric>},
                                                         {"isalnum", all_chars<is_letter_or_number>},
                                                         {"isspace", all_chars<is_python_space>},
                                                         {"isupper", has_case<is_uppercase, is_lowercase>},
                                                         {"islower", has_case<is_lowercase, is_uppercase>},
                                                         {"format", format}};
  const auto found = kMethods.find(name);
  return found == kMethods.end() ? nullptr : found->second;
}

}  // namespace gptq::chat
