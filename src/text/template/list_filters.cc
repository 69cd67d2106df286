// Filters on lists, dicts and single values: choosing, mapping, sorting, joining.
#include <algorithm>
#include <set>

#include "text/template/arguments.h"
#include "text/template/filters.h"
#include "text/template/members.h"
#include "text/template/operations.h"
#include "text/template/printing.h"
#include "text/template/tests.h"
#include "text/template/text_functions.h"

namespace gptq::chat {

namespace {

Value fallback(Runtime&, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"default_value", "boolean"}, "default");
  const bool missing = value.is_undefined() || (bound.flag(1, false) && !truth(value));
  return missing ? bound.get(0, Value::string("")) : value;
}

Value count(Runtime&, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "length");
  return Value::integer(static_cast<int64_t>(length(value)));
}

Value first(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "first");
  const std::vector<Value> items = iterate(runtime, value);
  return items.empty() ? Value::undefined("the first item") : items.front();
}

Value last(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "last");
  const std::vector<Value> items = iterate(runtime, value);
  return items.empty() ? Value::undefined("the last item") : items.back();
}

Value list(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "list");
  return runtime.list(iterate(runtime, value));
}

Value join(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"d", "attribute"}, "join");
  const MarkedText separator = bound.has(0) ? to_text(runtime, bound.at(0)) : MarkedText{};
  MarkedText out;
  bool begun = false;
  for (const Value& item : iterate(runtime, value)) {
    if (begun) runtime.append(out, separator);
    begun = true;
    runtime.append(out,
                   to_text(runtime, bound.is_none_or_missing(1) ? item : attribute_path(runtime, item, bound.at(1))));
  }
  return runtime.string(std::move(out));
}

Value items(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "items");
  if (value.is_undefined()) return runtime.list({});
  if (!value.is_dict()) fail("Can only get item pairs from a mapping.");
  return attribute(runtime, value, "items").callable().call(runtime, {});
}

Value reverse(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "reverse");
  std::vector<Value> all = iterate(runtime, value);
  std::reverse(all.begin(), all.end());
  if (!value.is_string()) return runtime.list(std::move(all));
  MarkedText out;
  for (const Value& item : all) runtime.append(out, item.marked());
  return runtime.string(std::move(out));
}

Value get_attribute(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"name"}, "attr");
  const Value found = attribute(runtime, value, bound.string(0).text);
  const bool key = value.is_dict() && value.dict().find(bound.string(0).text) != nullptr && !found.is(Kind::kCallable);
  return key ? Value::undefined(bound.string(0).text) : found;  // attributes only, no keys
}

// What is compared: with case ignored, strings are compared in lower case.
Value sort_key(Runtime& runtime, const Value& value, bool case_sensitive) {
  if (case_sensitive) return value;
  if (value.is_string()) return runtime.string(lower(runtime, value.marked()));
  if (!value.is_list()) return value;
  std::vector<Value> parts;
  for (const Value& part : value.list().items) parts.push_back(sort_key(runtime, part, false));
  return runtime.list(std::move(parts));
}

std::vector<Value> sorted(Runtime& runtime, const std::vector<Value>& values, const std::vector<Value>& keys,
                          bool descending) {
  std::vector<size_t> order(values.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const int relation = compare(runtime, keys[a], keys[b]);
    return descending ? relation > 0 : relation < 0;
  });
  std::vector<Value> result;
  for (const size_t index : order) result.push_back(values[index]);
  return result;
}

Value sort(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"reverse", "case_sensitive", "attribute"}, "sort");
  const std::vector<Value> values = iterate(runtime, value);
  std::vector<Value> keys;
  for (const Value& item : values) {
    const Value key = bound.is_none_or_missing(2) ? item : attribute_path(runtime, item, bound.at(2));
    keys.push_back(sort_key(runtime, key, bound.flag(1, false)));
  }
  return runtime.list(sorted(runtime, values, keys, bound.flag(0, false)));
}

Value dictsort(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"case_sensitive", "by", "reverse"}, "dictsort");
  if (!value.is_dict()) fail("dictsort expects a mapping, not " + type_name(value));
  const std::string by = bound.has(1) ? bound.string(1).text : "key";
  if (by != "key" && by != "value") fail("You can only sort by either \"key\" or \"value\"");
  std::vector<Value> pairs, keys;
  for (const auto& [key, item] : value.dict().entries) {
    pairs.push_back(runtime.tuple({key, item}));
    keys.push_back(sort_key(runtime, by == "key" ? key : item, bound.flag(0, false)));
  }
  return runtime.list(sorted(runtime, pairs, keys, bound.flag(2, false)));
}

template <bool kLargest>
Value extreme(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"case_sensitive", "attribute"}, kLargest ? "max" : "min");
  const std::vector<Value> all = iterate(runtime, value);
  if (all.empty()) return Value::undefined("the extreme of nothing");
  size_t best = 0;
  std::vector<Value> keys;
  for (size_t i = 0; i < all.size(); ++i) {
    const Value key = bound.is_none_or_missing(1) ? all[i] : attribute_path(runtime, all[i], bound.at(1));
    keys.push_back(sort_key(runtime, key, bound.flag(0, false)));
    const int relation = compare(runtime, keys[i], keys[best]);
    if (kLargest ? relation > 0 : relation < 0) best = i;
  }
  return all[best];
}

Value sum(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"attribute", "start"}, "sum");
  Value total = bound.get(1, Value::integer(0));
  for (const Value& item : iterate(runtime, value)) {
    total =
        binary(runtime, "+", total, bound.is_none_or_missing(0) ? item : attribute_path(runtime, item, bound.at(0)));
  }
  return total;
}

Value unique(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"case_sensitive", "attribute"}, "unique");
  std::set<std::string> seen;
  std::vector<Value> result;
  for (const Value& item : iterate(runtime, value)) {
    const Value key = bound.is_none_or_missing(1) ? item : attribute_path(runtime, item, bound.at(1));
    if (seen.insert(hash_key(sort_key(runtime, key, bound.flag(0, false)))).second) result.push_back(item);
  }
  return runtime.list(std::move(result));
}

// map(attribute=..., default=...) or map("filter", arguments...).
Value map(Runtime& runtime, const Value& value, const Arguments& arguments) {
  if (!truth(value)) return runtime.list({});  // whatever its type
  std::vector<Value> result;
  if (arguments.positional.empty()) {
    const BoundArguments bound(arguments, {"attribute", "default"}, "map");
    for (const Value& item : iterate(runtime, value)) {
      const Value found = attribute_path(runtime, item, bound.at(0));
      result.push_back(found.is_undefined() && bound.has(1) ? bound.at(1) : found);
    }
    return runtime.list(std::move(result));
  }
  const Value& name = arguments.positional[0];
  const Native filter = name.is_string() ? find_filter(name.text()) : nullptr;
  if (filter == nullptr) fail("map: there is no such filter");
  const Arguments rest{{arguments.positional.begin() + 1, arguments.positional.end()}, arguments.named};
  for (const Value& item : iterate(runtime, value)) {
    runtime.limits.step();
    result.push_back(filter(runtime, item, rest));
  }
  return runtime.list(std::move(result));
}

// select and reject, by a test on the item or on one of its attributes; without a test by truth.
template <bool kKeep, bool kByAttribute>
Value choose(Runtime& runtime, const Value& value, const Arguments& arguments) {
  if (!truth(value)) return runtime.list({});  // whatever its type
  const auto& positional = arguments.positional;
  const size_t test_at = kByAttribute ? 1 : 0;
  if (positional.size() < test_at) fail("Missing parameter for attribute name");
  Test test = nullptr;
  Arguments rest;
  if (positional.size() > test_at) {
    const Value& name = positional[test_at];
    test = name.is_string() ? find_test(name.text()) : nullptr;
    if (test == nullptr) fail("there is no test named '" + to_text(runtime, name).text + "'");
    rest.positional.assign(positional.begin() + static_cast<std::ptrdiff_t>(test_at) + 1, positional.end());
    rest.named = arguments.named;
  }
  std::vector<Value> result;
  for (const Value& item : iterate(runtime, value)) {
    runtime.limits.step();
    const Value subject = kByAttribute ? attribute_path(runtime, item, positional[0]) : item;
    const bool holds = test != nullptr ? test(runtime, subject, rest) : truth(subject);
    if (holds == kKeep) result.push_back(item);
  }
  return runtime.list(std::move(result));
}

Value batch(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"linecount", "fill_with"}, "batch");
  const int64_t size = bound.integer(0, 0);
  if (size < 1 || size > 100'000) fail("batch expects a line count from 1 to 100000");
  std::vector<Value> lines, line;
  for (const Value& item : iterate(runtime, value)) {
    if (static_cast<int64_t>(line.size()) == size) lines.push_back(runtime.list(std::exchange(line, {})));
    line.push_back(item);
  }
  if (!line.empty() && !bound.is_none_or_missing(1)) line.resize(static_cast<size_t>(size), bound.at(1));
  if (!line.empty()) lines.push_back(runtime.list(std::move(line)));
  return runtime.list(std::move(lines));
}

Value slices(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"slices", "fill_with"}, "slice");
  const int64_t count = bound.integer(0, 0);
  if (count < 1 || count > 100'000) fail("slice expects a number of slices from 1 to 100000");
  const std::vector<Value> all = iterate(runtime, value);
  const size_t parts = static_cast<size_t>(count), size = all.size() / parts, longer = all.size() % parts;
  std::vector<Value> result;
  size_t begin = 0;
  for (size_t i = 0; i < parts; ++i) {
    const size_t end = begin + size + (i < longer ? 1 : 0);
    std::vector<Value> part(all.begin() + static_cast<std::ptrdiff_t>(begin),
                            all.begin() + static_cast<std::ptrdiff_t>(end));
    if (!bound.is_none_or_missing(1) && i >= longer && longer > 0) part.push_back(bound.at(1));
    result.push_back(runtime.list(std::move(part)));
    begin = end;
  }
  return runtime.list(std::move(result));
}

Value groupby(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"attribute", "default", "case_sensitive"}, "groupby");
  const std::vector<Value> all = iterate(runtime, value);
  std::vector<Value> keys, originals;
  for (const Value& item : all) {
    Value key = attribute_path(runtime, item, bound.at(0));
    if (key.is_undefined() && bound.has(1)) key = bound.at(1);
    originals.push_back(runtime.tuple({key, item}));
    keys.push_back(sort_key(runtime, key, bound.flag(2, false)));
  }
  std::vector<Value> groups;
  Value previous;
  for (const Value& pair : sorted(runtime, originals, keys, false)) {
    const Value key = sort_key(runtime, pair.list().items[0], bound.flag(2, false));
    if (groups.empty() || !equal(runtime, key, previous)) {
      groups.push_back(runtime.tuple({pair.list().items[0], runtime.list({})}));
    }
    previous = key;
    groups.back().list().items[1].list().items.push_back(pair.list().items[1]);
  }
  return runtime.list(std::move(groups));
}

}  // namespace

const std::map<std::string, Native>& list_filters() {
  static const std::map<std::string, Native> kFilters = {{"default", fallback},
                                                         {"d", fallback},
                                                         {"length", count},
                                                         {"count", count},
                                                         {"first", first},
                                                         {"last", last},
                                                         {"list", list},
                                                         {"join", join},
                                                         {"items", items},
                                                         {"reverse", reverse},
                                                         {"attr", get_attribute},
                                                         {"sort", sort},
                                                         {"dictsort", dictsort},
                                                         {"min", extreme<false>},
                                                         {"max", extreme<true>},
                                                         {"sum", sum},
                                                         {"unique", unique},
                                                         {"map", map},
                                                         {"select", choose<true, false>},
                                                         {"reject", choose<false, false>},
                                                         {"selectattr", choose<true, true>},
                                                         {"rejectattr", choose<false, true>},
                                                         {"batch", batch},
                                                         {"slice", slices},
                                                         {"groupby", groupby}};
  return kFilters;
}

}  // namespace gptq::chat
