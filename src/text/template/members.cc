// Attribute look-up by the kind of the object.
#include "text/template/members.h"

#include <algorithm>
#include <map>

#include "text/template/arguments.h"
#include "text/template/operations.h"
#include "text/template/text_functions.h"

namespace gptq::chat {

namespace {

Value dict_items(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "items");
  std::vector<Value> pairs;
  for (const auto& [key, value] : self.dict().entries) pairs.push_back(runtime.tuple({key, value}));
  return runtime.list(std::move(pairs));
}

Value dict_keys(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "keys");
  return runtime.list(iterate(runtime, self));
}

Value dict_values(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "values");
  std::vector<Value> values;
  for (const auto& [key, value] : self.dict().entries) values.push_back(value);
  return runtime.list(std::move(values));
}

Value dict_get(Runtime&, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"key", "default"}, "get");
  const Value* found = self.dict().find(bound.at(0));
  return found != nullptr ? *found : bound.get(1, Value::none());
}

Value dict_copy(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "copy");
  const Value copy = runtime.dict();
  for (const auto& [key, value] : self.dict().entries) copy.dict().set(key, value);
  return copy;
}

Value list_count(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"value"}, "count");
  const auto& items = self.list().items;
  return Value::integer(
      std::count_if(items.begin(), items.end(), [&](const Value& item) { return equal(runtime, item, bound.at(0)); }));
}

Value list_index(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {"value"}, "index");
  const auto& items = self.list().items;
  for (size_t i = 0; i < items.size(); ++i) {
    if (equal(runtime, items[i], bound.at(0))) return Value::integer(static_cast<int64_t>(i));
  }
  fail("the value is not in the list");
}

Value list_copy(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const BoundArguments bound(arguments, {}, "copy");
  return runtime.list(iterate(runtime, self));
}

Value loop_cycle(Runtime&, const Value& self, const Arguments& arguments) {
  if (arguments.positional.empty()) fail("no items for cycling given");
  return arguments.positional[self.loop().index % arguments.positional.size()];
}

Value loop_changed(Runtime& runtime, const Value& self, const Arguments& arguments) {
  LoopObject& loop = self.loop();
  bool same = loop.has_changed && loop.last_changed.size() == arguments.positional.size();
  for (size_t i = 0; same && i < loop.last_changed.size(); ++i) {
    same = equal(runtime, loop.last_changed[i], arguments.positional[i]);
  }
  loop.last_changed = arguments.positional;
  loop.has_changed = true;
  return Value::boolean(!same);
}

Value loop_attribute(Runtime& runtime, const Value& self, const std::string& name) {
  const LoopObject& loop = self.loop();
  const auto size = static_cast<int64_t>(loop.count);
  const auto index = static_cast<int64_t>(loop.index);
  if (name == "index") return Value::integer(index + 1);
  if (name == "index0") return Value::integer(index);
  if (name == "revindex") return Value::integer(size - index);
  if (name == "revindex0") return Value::integer(size - index - 1);
  if (name == "first") return Value::boolean(index == 0);
  if (name == "last") return Value::boolean(index + 1 == size);
  if (name == "length") return Value::integer(size);
  if (name == "depth") return Value::integer(loop.depth);
  if (name == "depth0") return Value::integer(loop.depth - 1);
  const auto neighbour = [&](size_t place) {
    return place < loop.items.size() ? loop.items[place] : Value::undefined("loop." + name);
  };
  if (name == "previtem") return neighbour(loop.index - 1);  // before the first: wraps around to no place at all
  if (name == "nextitem") return neighbour(loop.index + 1);
  if (name == "cycle") return runtime.native("cycle", loop_cycle, self);
  if (name == "changed") return runtime.native("changed", loop_changed, self);
  return Value::undefined("loop." + name);
}

Native find_in(const std::map<std::string, Native>& table, const std::string& name) {
  const auto found = table.find(name);
  return found == table.end() ? nullptr : found->second;
}

Native method_of(const Value& object, const std::string& name) {
  static const std::map<std::string, Native> kDict = {
      {"items", dict_items}, {"keys", dict_keys}, {"values", dict_values}, {"get", dict_get}, {"copy", dict_copy}};
  static const std::map<std::string, Native> kList = {
      {"count", list_count}, {"index", list_index}, {"copy", list_copy}};
  if (object.is_string()) return string_method(name);
  if (object.is_dict()) return find_in(kDict, name);
  if (object.is_list()) return find_in(kList, name);
  return nullptr;
}

}  // namespace

Value attribute(Runtime& runtime, const Value& object, const std::string& name) {
  switch (object.kind()) {
    case Kind::kUndefined: fail("'" + object.name() + "' is undefined");
    case Kind::kLoop: return loop_attribute(runtime, object, name);
    case Kind::kCallable: return object.callable().attribute(runtime, name);
    default: break;
  }
  if (const Native method = method_of(object, name)) {
    return runtime.native("method", method, object);
  }
  if (object.is_dict() || object.is(Kind::kNamespace)) {
    if (const Value* found = object.dict().find(name)) return *found;
  }
  return Value::undefined(type_name(object) + "." + name);
}

Value attribute_path(Runtime& runtime, const Value& object, const Value& path) {
  if (path.is_integer()) return item(runtime, object, path);
  if (!path.is_string()) fail("an attribute must be a string or an integer, not " + type_name(path));
  if (path.text().find(',') != std::string::npos) {
    const std::string comma = ",";
    std::vector<Value> several;
    for (const MarkedText& part : split(path.marked(), &comma, -1, false)) {
      several.push_back(attribute_path(runtime, object, Value::string(part)));
    }
    return runtime.list(std::move(several));
  }
  Value value = object;
  const std::string dot = ".";
  for (const MarkedText& part : split(path.marked(), &dot, -1, false)) {
    const bool number =
        !part.text.empty() && part.text.size() < 10 && part.text.find_first_not_of("0123456789") == std::string::npos;
    value =
        number ? item(runtime, value, Value::integer(std::stoi(part.text))) : item(runtime, value, Value::string(part));
  }
  return value;
}

}  // namespace gptq::chat
