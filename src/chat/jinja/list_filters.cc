// Filters that need all of a value at once: joining, sorting, counting, grouping.
#include <algorithm>
#include <tuple>

#include "chat/jinja/arguments.h"
#include "chat/jinja/filters.h"
#include "chat/jinja/iteration.h"
#include "chat/jinja/letter_case.h"
#include "chat/jinja/members.h"
#include "chat/jinja/operations.h"
#include "chat/jinja/printing.h"
#include "chat/jinja/text_functions.h"

namespace gptq::chat {

namespace {

Value fallback(Runtime&, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"default_value", "boolean"}, "default");
  const bool missing = value.is_undefined() || (bound.flag(1, false) && !truth(value));
  return missing ? bound.get(0, Value::string("")) : value;
}

Value count(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "length");
  if (value.is(Kind::kLoop)) return Value::integer(value.loop().length(runtime));
  return Value::integer(static_cast<int64_t>(length(runtime, value)));
}

Value first(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "first");
  Value item;
  return start_iteration(runtime, value).next(runtime, item) ? item : Value::undefined("the first item");
}

Value last(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "last");
  if (known_length(runtime, value) < 0) fail("'" + type_name(value) + "' object is not reversible");
  if (value.is_string() && !value.text().empty()) return item(runtime, value, Value::integer(-1));
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
    runtime.append(out, to_text(runtime, attribute_path(runtime, item, bound.get(1, Value::none()))));
  }
  return runtime.string(std::move(out));
}

Value get_attribute(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"name"}, "attr");
  const std::string& name = bound.string(0).text;
  const Value found = attribute(runtime, value, name);
  const bool key = value.is_dict() && value.dict().find(name) != nullptr && !found.is(Kind::kCallable);
  return key ? Value::undefined(name) : found;  // attributes only, no keys
}

// The key of a comparison: strings in lower case if case is ignored.
Value sort_key(Runtime& runtime, const Value& value, bool case_sensitive) {
  return value.is_string() && !case_sensitive ? runtime.string(lower(runtime, value.marked())) : value;
}

// "a,b" compares by two attributes.
Value sort_keys(Runtime& runtime, const Value& value, const Value& path, bool case_sensitive) {
  std::vector<Value> keys;
  if (path.is_string()) {
    const std::string comma = ",";
    split(runtime, path.marked(), &comma, -1, false, [&](size_t begin, size_t end) {
      const Value part = runtime.string(path.marked().substr(begin, end - begin));
      keys.push_back(sort_key(runtime, attribute_path(runtime, value, part), case_sensitive));
    });
  } else {
    keys.push_back(sort_key(runtime, attribute_path(runtime, value, path), case_sensitive));
  }
  return runtime.list(std::move(keys));
}

std::vector<Value> sorted(Runtime& runtime, const std::vector<Value>& values, const std::vector<Value>& keys,
                          bool descending) {
  std::vector<size_t> order(values.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const std::partial_ordering relation = compare(runtime, keys[a], keys[b]);
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
    keys.push_back(sort_keys(runtime, item, bound.get(2, Value::none()), bound.flag(1, false)));
  }
  return runtime.list(sorted(runtime, values, keys, bound.flag(0, false)));
}

Value dictsort(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"case_sensitive", "by", "reverse"}, "dictsort");
  if (value.is_undefined()) fail_undefined(value);
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

template <bool kMax>
Value extreme(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"case_sensitive", "attribute"}, kMax ? "max" : "min");
  Iterator& iterator = start_iteration(runtime, value);
  Value best, best_key;
  bool any = false;
  for (Value item; iterator.next(runtime, item);) {
    const Value attribute_value = attribute_path(runtime, item, bound.get(1, Value::none()));
    const Value key = sort_key(runtime, attribute_value, bound.flag(0, false));
    const bool better = !any || (kMax ? compare(runtime, key, best_key) > 0 : compare(runtime, key, best_key) < 0);
    any = true;
    if (!better) continue;
    best = item;
    best_key = key;
  }
  return any ? best : Value::undefined("the extreme of nothing");
}

Value sum(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"attribute", "start"}, "sum");
  Value total = bound.get(1, Value::integer(0));
  if (total.is_string()) fail("sum() can't sum strings; use join");
  for (const Value& item : iterate(runtime, value)) {
    total = binary(runtime, Operator::kAdd, total, attribute_path(runtime, item, bound.get(0, Value::none())));
  }
  return total;
}

Value groupby(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"attribute", "default", "case_sensitive"}, "groupby");
  const Value* fallback = bound.is_none_or_missing(1) ? nullptr : &bound.at(1);
  const bool case_sensitive = bound.flag(2, false);
  const std::vector<Value> all = iterate(runtime, value);
  std::vector<Value> keys, pairs;
  for (const Value& item : all) {
    const Value key = attribute_path(runtime, item, bound.at(0), fallback);
    keys.push_back(sort_key(runtime, key, case_sensitive));
    pairs.push_back(runtime.tuple({keys.back(), key, item}));
  }
  std::vector<Value> groups;
  Value previous;
  for (const Value& pair : sorted(runtime, pairs, keys, false)) {
    const auto& [key, shown, item] = std::tie(pair.list().items[0], pair.list().items[1], pair.list().items[2]);
    if (groups.empty() || !equal(runtime, key, previous)) {
      groups.push_back(runtime.tuple({shown, runtime.list({})}));
      groups.back().list().type = "_GroupTuple";
    }
    previous = key;
    groups.back().list().items[1].list().items.push_back(item);
  }
  return runtime.list(std::move(groups));
}

}  // namespace

const std::map<std::string, Native>& list_filters() {
  static const std::map<std::string, Native> kFilters = {
      {"default", fallback},   {"d", fallback}, {"length", count},      {"count", count},
      {"first", first},        {"last", last},  {"list", list},         {"join", join},
      {"attr", get_attribute}, {"sort", sort},  {"dictsort", dictsort}, {"min", extreme<false>},
      {"max", extreme<true>},  {"sum", sum},    {"groupby", groupby}};
  return kFilters;
}

}  // namespace gptq::chat
