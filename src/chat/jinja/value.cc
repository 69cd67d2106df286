// Construction of values, ordered dictionaries, and the state of a loop.
#include "chat/jinja/value.h"

#include <cmath>

#include "chat/jinja/number_text.h"
#include "core/check.h"

namespace gptq::chat {

namespace {

Object* checked(Object* object) {
  CHECK(object != nullptr);
  return object;
}

}  // namespace

void fail(const std::string& reason) { throw TemplateFailure{reason}; }

Value Value::undefined(const std::string& name) {
  Value value;
  value.text_ = std::make_shared<MarkedText>(MarkedText{name, ""});
  return value;
}

Value Value::boolean(bool flag) {
  Value value(Kind::kBool);
  value.integer_ = flag ? 1 : 0;
  return value;
}

Value Value::integer(int64_t number) {
  Value value(Kind::kInt);
  value.integer_ = number;
  return value;
}

Value Value::real(double number) {
  Value value(Kind::kFloat);
  value.real_ = number;
  return value;
}

Value Value::string(MarkedText text) {
  Value value(Kind::kString);
  value.text_ = std::make_shared<MarkedText>(std::move(text));
  return value;
}

Value Value::object(Kind kind, Object* object) {
  Value value(kind);
  value.object_ = object;
  return value;
}

const std::string& Value::name() const {
  static const std::string kNameless = "the value";
  return text_ ? text_->text : kNameless;
}

MarkedText* Value::unshared() { return text_.use_count() == 1 ? text_.get() : nullptr; }

ListObject& Value::list() const { return *static_cast<ListObject*>(checked(object_)); }
RangeObject& Value::range() const { return *static_cast<RangeObject*>(checked(object_)); }
Iterator& Value::iterator() const { return *static_cast<Iterator*>(checked(object_)); }
DictObject& Value::dict() const { return *static_cast<DictObject*>(checked(object_)); }
Callable& Value::callable() const { return *static_cast<Callable*>(checked(object_)); }
LoopObject& Value::loop() const { return *static_cast<LoopObject*>(checked(object_)); }

std::string type_name(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined: return "Undefined";
    case Kind::kNone: return "NoneType";
    case Kind::kBool: return "bool";
    case Kind::kInt: return "int";
    case Kind::kFloat: return "float";
    case Kind::kString: return "str";
    case Kind::kList: return "list";
    case Kind::kTuple: return "tuple";
    case Kind::kRange: return "range";
    case Kind::kView: return value.list().type;
    case Kind::kIterator: return "generator";
    case Kind::kDict: return "dict";
    case Kind::kNamespace: return "Namespace";
    case Kind::kCallable: return "function";
    case Kind::kLoop: return "LoopContext";
  }
  return "object";
}

std::string hash_key(Limits& limits, const Value& key) {
  limits.step();
  switch (key.kind()) {
    case Kind::kString: limits.work(key.text().size()); return "s" + key.text();
    case Kind::kNone: return "n";
    case Kind::kBool:
    case Kind::kInt: return "i" + std::to_string(key.integer());
    case Kind::kFloat:
      if (std::abs(key.real()) < 9e15 && key.real() == std::floor(key.real())) {
        return "i" + std::to_string(static_cast<int64_t>(key.real()));
      }
      return "f" + float_text(key.real());
    case Kind::kTuple: {
      const Nesting level(limits);
      std::string all = "t";
      for (const Value& item : key.list().items) {
        const std::string part = hash_key(limits, item);
        limits.work(part.size());
        all += std::to_string(part.size()) + ":" + part;
      }
      return all;
    }
    case Kind::kUndefined: return "u";
    case Kind::kList:
    case Kind::kView:
    case Kind::kDict: fail("unhashable type: '" + type_name(key) + "'");
    default: return "o" + std::to_string(reinterpret_cast<uintptr_t>(key.identity()));
  }
}

const Value* DictObject::find(Limits& limits, const Value& key) const {
  const auto found = index_.find(hash_key(limits, key));
  return found == index_.end() ? nullptr : &entries[found->second].second;
}

const Value* DictObject::find(std::string_view key) const {
  const auto found = index_.find("s" + std::string(key));
  return found == index_.end() ? nullptr : &entries[found->second].second;
}

Value* DictObject::slot(std::string_view key) {
  const auto found = index_.find("s" + std::string(key));
  return found == index_.end() ? nullptr : &entries[found->second].second;
}

void DictObject::set(Limits& limits, const Value& key, Value value) {
  limits.hold(2);  // the entry and its place in the index
  std::string hash = hash_key(limits, key);
  limits.produce(hash.size());
  put(std::move(hash), key, std::move(value));
}

void DictObject::set(Limits& limits, std::string_view key, Value value) {
  std::string hash = "s" + std::string(key);
  limits.work(key.size());
  const auto found = index_.find(hash);
  if (found != index_.end()) {
    entries[found->second].second = std::move(value);
    return;
  }
  limits.hold(2);
  limits.produce(2 * key.size());
  put(std::move(hash), Value::string(key), std::move(value));
}

void DictObject::put(std::string hash, const Value& key, Value value) {
  const auto [found, fresh] = index_.try_emplace(std::move(hash), entries.size());
  if (fresh)
    entries.emplace_back(key, std::move(value));
  else
    entries[found->second].second = std::move(value);
}

bool LoopObject::peek(Runtime& runtime) {
  if (!has_after) has_after = source->next(runtime, after);
  return has_after;
}

bool LoopObject::advance(Runtime& runtime) {
  if (!peek(runtime)) return false;
  has_after = false;
  has_before = index >= 0;
  before = std::exchange(current, after);
  ++index;
  return true;
}

namespace {

// The rest of a loop's items, once they had to be counted.
struct CountedItems : Iterator {
  explicit CountedItems(std::vector<Value> rest) : items(std::move(rest)) {}
  bool next(Runtime&, Value& item) override {
    if (position == items.size()) return false;
    item = items[position++];
    return true;
  }
  std::vector<Value> items;
  size_t position = 0;
};

}  // namespace

int64_t LoopObject::length(Runtime& runtime) {
  if (size >= 0) return size;
  std::vector<Value> rest;
  for (Value item; source->next(runtime, item);) {
    runtime.limits.hold(1);
    rest.push_back(item);
  }
  size = static_cast<int64_t>(rest.size()) + index + 1 + (has_after ? 1 : 0);
  source = runtime.heap.make<CountedItems>(std::move(rest));
  return size;
}

Value Runtime::list(std::vector<Value> items) {
  limits.hold(items.size() + 1);
  auto* object = heap.make<ListObject>();
  object->items = std::move(items);
  return Value::object(Kind::kList, object);
}

Value Runtime::tuple(std::vector<Value> items) {
  const Value value = list(std::move(items));
  return Value::object(Kind::kTuple, &value.list());
}

Value Runtime::view(const char* type, std::vector<Value> items) {
  const Value value = list(std::move(items));
  value.list().type = type;
  return Value::object(Kind::kView, &value.list());
}

Value Runtime::dict() {
  limits.hold(1);
  return Value::object(Kind::kDict, heap.make<DictObject>());
}

Value Runtime::string(MarkedText text) {
  limits.produce(text.text.size() + sizeof(MarkedText));
  return Value::string(std::move(text));
}

Value Runtime::native(const char* name, Native function, Value self) {
  limits.hold(1);
  return Value::object(Kind::kCallable, heap.make<NativeCallable>(name, function, std::move(self)));
}

void Runtime::append(MarkedText& out, const MarkedText& more) {
  limits.work(more.text.size());
  if (out.text.size() + more.text.size() > Limits::kMaxStringBytes) limits.produce(Limits::kMaxStringBytes + 1);
  out.append(more);
}

void Runtime::append(MarkedText& out, std::string_view more, char mark) {
  limits.work(more.size());
  if (out.text.size() + more.size() > Limits::kMaxStringBytes) limits.produce(Limits::kMaxStringBytes + 1);
  out.append(more, mark);
}

void Runtime::append(Value& text, const MarkedText& more) {
  if (MarkedText* own = text.unshared()) {
    limits.produce(more.text.size());
    return append(*own, more);
  }
  MarkedText longer = text.marked();
  append(longer, more);
  text = string(std::move(longer));
}

}  // namespace gptq::chat
