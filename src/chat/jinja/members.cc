// Attribute look-up by the kind of the object.
#include "chat/jinja/members.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "chat/jinja/arguments.h"
#include "chat/jinja/iteration.h"
#include "chat/jinja/number_text.h"
#include "chat/jinja/operations.h"
#include "chat/jinja/text_functions.h"

namespace gptq::chat {

namespace {

Value dict_items(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "items");
  std::vector<Value> pairs;
  for (const auto& [key, value] : self.dict().entries) pairs.push_back(runtime.tuple({key, value}));
  return runtime.view("dict_items", std::move(pairs));
}

Value dict_keys(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "keys");
  return runtime.view("dict_keys", iterate(runtime, self));
}

Value dict_values(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "values");
  runtime.visit(self.dict().entries.size());
  std::vector<Value> values;
  for (const auto& [key, value] : self.dict().entries) values.push_back(value);
  return runtime.view("dict_values", std::move(values));
}

Value dict_get(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"key", "default"}, "get");
  const Value* found = self.dict().find(runtime.limits, bound.at(0));
  return found != nullptr ? *found : bound.get(1, Value::none());
}

Value dict_copy(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "copy");
  const Value copy = runtime.dict();
  for (const auto& [key, value] : self.dict().entries) copy.dict().set(runtime.limits, key, value);
  return copy;
}

Value sequence_count(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"value"}, "count");
  const std::vector<Value> items = iterate(runtime, self);
  return Value::integer(
      std::count_if(items.begin(), items.end(), [&](const Value& item) { return equal(runtime, item, bound.at(0)); }));
}

Value sequence_index(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"value", "start", "stop"}, "index");
  const std::vector<Value> items = iterate(runtime, self);
  const auto size = static_cast<int64_t>(items.size());
  const int64_t begin = slice_bound(bound.get(1, Value::none()), size, 0);
  const int64_t end = slice_bound(bound.get(2, Value::none()), size, size);
  for (int64_t i = begin; i < end; ++i) {
    if (equal(runtime, items[static_cast<size_t>(i)], bound.at(0))) return Value::integer(i);
  }
  fail("the value is not in the sequence");
}

Value list_copy(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "copy");
  return runtime.list(iterate(runtime, self));
}

Value bit_length(Runtime&, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "bit_length");
  const std::string bits = integer_digits(self.integer(), 2, false);
  return Value::integer(bits == "0" ? 0 : static_cast<int64_t>(bits.size()));
}

Value is_whole(Runtime&, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "is_integer");
  return Value::boolean(std::isfinite(self.real()) && self.real() == std::floor(self.real()));
}

Value loop_cycle(Runtime&, const Value& self, const Arguments& arguments) {
  if (!arguments.named.empty()) fail("cycle() takes no keyword arguments");
  if (arguments.positional.empty()) fail("no items for cycling given");
  return arguments.positional[static_cast<size_t>(self.loop().index) % arguments.positional.size()];
}

Value loop_changed(Runtime& runtime, const Value& self, const Arguments& arguments) {
  LoopObject& loop = self.loop();
  bool same = loop.has_changed && loop.last_changed.size() == arguments.positional.size();
  for (size_t i = 0; same && i < loop.last_changed.size(); ++i) {
    same = equal(runtime, loop.last_changed[i], arguments.positional[i]);
  }
  runtime.limits.hold(arguments.positional.size());
  loop.last_changed = arguments.positional;
  loop.has_changed = true;
  return Value::boolean(!same);
}

Value loop_attribute(Runtime& runtime, const Value& self, const std::string& name) {
  LoopObject& loop = self.loop();
  using Getter = Value (*)(Runtime&, LoopObject&);
  static const std::map<std::string, Getter> kGetters = {
      {"index", [](Runtime&, LoopObject& l) { return Value::integer(l.index + 1); }},
      {"index0", [](Runtime&, LoopObject& l) { return Value::integer(l.index); }},
      {"revindex", [](Runtime& r, LoopObject& l) { return Value::integer(l.length(r) - l.index); }},
      {"revindex0", [](Runtime& r, LoopObject& l) { return Value::integer(l.length(r) - l.index - 1); }},
      {"first", [](Runtime&, LoopObject& l) { return Value::boolean(l.index == 0); }},
      {"last", [](Runtime& r, LoopObject& l) { return Value::boolean(!l.peek(r)); }},
      {"length", [](Runtime& r, LoopObject& l) { return Value::integer(l.length(r)); }},
      {"depth", [](Runtime&, LoopObject& l) { return Value::integer(l.depth); }},
      {"depth0", [](Runtime&, LoopObject& l) { return Value::integer(l.depth - 1); }},
      {"previtem", [](Runtime&, LoopObject& l) { return l.has_before ? l.before : Value::undefined("loop.previtem"); }},
      {"nextitem", [](Runtime& r, LoopObject& l) { return l.peek(r) ? l.after : Value::undefined("loop.nextitem"); }}};
  const auto found = kGetters.find(name);
  if (found != kGetters.end()) return found->second(runtime, loop);
  if (name == "cycle") return runtime.native("cycle", loop_cycle, self);
  if (name == "changed") return runtime.native("changed", loop_changed, self);
  return Value::undefined("loop." + name);
}

Value range_attribute(const Value& self, const std::string& name) {
  const RangeObject& range = self.range();
  if (name == "start") return Value::integer(range.start);
  if (name == "stop") return Value::integer(range.stop);
  if (name == "step") return Value::integer(range.step);
  return Value::undefined("range." + name);
}

// Every number has the attributes of a complex one, and an integer those of a fraction.
Value number_attribute(const Value& self, const std::string& name) {
  if (name == "real" || (name == "numerator" && self.is_integer())) return positive(self);
  if (name == "denominator" && self.is_integer()) return Value::integer(1);
  if (name == "imag") return self.is_integer() ? Value::integer(0) : Value::real(0);
  return Value::undefined(type_name(self) + "." + name);
}

// The result of groupby: (grouper, list).
Value group_attribute(const Value& self, const std::string& name) {
  const bool group = self.list().type != nullptr;
  if (group && name == "grouper") return self.list().items[0];
  if (group && name == "list") return self.list().items[1];
  return Value::undefined("tuple." + name);
}

Native find_in(const std::map<std::string, Native>& table, const std::string& name) {
  const auto found = table.find(name);
  return found == table.end() ? nullptr : found->second;
}

Native method_of(const Value& object, const std::string& name) {
  static const std::map<std::string, Native> kDict = {
      {"items", dict_items}, {"keys", dict_keys}, {"values", dict_values}, {"get", dict_get}, {"copy", dict_copy}};
  static const std::map<std::string, Native> kSequence = {{"count", sequence_count}, {"index", sequence_index}};
  static const std::map<std::string, Native> kInteger = {{"bit_length", bit_length}};
  static const std::map<std::string, Native> kReal = {{"is_integer", is_whole}};
  switch (object.kind()) {
    case Kind::kString: return string_method(name);
    case Kind::kDict: return find_in(kDict, name);
    case Kind::kList: return name == "copy" ? list_copy : find_in(kSequence, name);
    case Kind::kTuple:
    case Kind::kRange: return find_in(kSequence, name);
    case Kind::kBool:
    case Kind::kInt: return find_in(kInteger, name);
    case Kind::kFloat: return find_in(kReal, name);
    default: return nullptr;
  }
}

// Methods that the sandbox hides because they modify their object.
bool is_hidden(const Value& object, const std::string& name) {
  static const std::set<std::string> kDict = {"clear", "pop", "popitem", "setdefault", "update"};
  static const std::set<std::string> kList = {"append", "clear",  "pop",  "reverse",
                                              "insert", "remove", "sort", "extend"};
  return (object.is_dict() && kDict.contains(name)) || (object.is(Kind::kList) && kList.contains(name));
}

}  // namespace

Value attribute(Runtime& runtime, const Value& object, const std::string& name) {
  if (is_hidden(object, name)) return Value::undefined(type_name(object) + "." + name);
  if (const Native method = method_of(object, name)) return runtime.native("method", method, object);
  switch (object.kind()) {
    case Kind::kUndefined: fail_undefined(object);
    case Kind::kLoop: return loop_attribute(runtime, object, name);
    case Kind::kCallable: return object.callable().attribute(runtime, name);
    case Kind::kRange: return range_attribute(object, name);
    case Kind::kTuple: return group_attribute(object, name);
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat: return number_attribute(object, name);
    case Kind::kDict:
    case Kind::kNamespace:
      if (const Value* found = object.dict().find(name)) return *found;
      break;
    default: break;
  }
  return Value::undefined(type_name(object) + "." + name);
}

Value subscript(Runtime& runtime, const Value& object, const Value& key) {
  Value found = item(runtime, object, key);
  return found.is_undefined() && key.is_string() ? attribute(runtime, object, key.text()) : found;
}

Value attribute_path(Runtime& runtime, const Value& object, const Value& path, const Value* fallback) {
  if (path.is_none()) return object;
  const auto step = [&](const Value& value, const Value& key) {
    Value found = subscript(runtime, value, key);
    return found.is_undefined() && fallback != nullptr ? *fallback : found;
  };
  if (!path.is_string()) return step(object, path);
  Value value = object;
  const std::string dot = ".";
  split(runtime, path.marked(), &dot, -1, false, [&](size_t begin, size_t end) {
    runtime.limits.step();
    const MarkedText part = path.marked().substr(begin, end - begin);
    const bool number =
        !part.text.empty() && part.text.size() < 10 && part.text.find_first_not_of("0123456789") == std::string::npos;
    value = step(value, number ? Value::integer(std::stoi(part.text)) : Value::string(part));
  });
  return value;
}

}  // namespace gptq::chat
