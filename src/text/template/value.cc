// Construction of values, ordered dictionaries, and the limits of a rendering.
#include "text/template/value.h"

#include <cmath>

#include "core/check.h"
#include "text/template/printing.h"

namespace gptq::chat {

namespace {

constexpr size_t kMaxSteps = 5'000'000;
constexpr size_t kMaxProduced = size_t{1} << 30;
constexpr size_t kMaxHeld = 4'000'000;
constexpr int kMaxDepth = 1000;

Object* checked(Object* object) {
  CHECK(object != nullptr);
  return object;
}

}  // namespace

void fail(const std::string& reason) { throw TemplateFailure{reason}; }

Value Value::undefined(const std::string& name) {
  Value value;
  value.text_ = std::make_shared<const MarkedText>(MarkedText{name, "", false});
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
  value.text_ = std::make_shared<const MarkedText>(std::move(text));
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

ListObject& Value::list() const { return *static_cast<ListObject*>(checked(object_)); }
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
    case Kind::kDict: return "dict";
    case Kind::kNamespace: return "Namespace";
    case Kind::kCallable: return "function";
    case Kind::kLoop: return "LoopContext";
  }
  return "object";
}

std::string hash_key(const Value& key) {
  switch (key.kind()) {
    case Kind::kString: return "s" + key.text();
    case Kind::kNone: return "n";
    case Kind::kBool:
    case Kind::kInt: return "i" + std::to_string(key.integer());
    case Kind::kFloat:
      if (std::abs(key.real()) < 9e15 && key.real() == std::floor(key.real())) {
        return "i" + std::to_string(static_cast<int64_t>(key.real()));
      }
      return "f" + float_text(key.real());
    case Kind::kTuple: {
      std::string all = "t";
      for (const Value& item : key.list().items) {
        const std::string part = hash_key(item);
        all += std::to_string(part.size()) + ":" + part;
      }
      return all;
    }
    case Kind::kUndefined: return "u";
    default: fail("unhashable type: '" + type_name(key) + "'");
  }
}

const Value* DictObject::find(const Value& key) const {
  const auto found = index_.find(hash_key(key));
  return found == index_.end() ? nullptr : &entries[found->second].second;
}

const Value* DictObject::find(std::string_view key) const {
  const auto found = index_.find("s" + std::string(key));
  return found == index_.end() ? nullptr : &entries[found->second].second;
}

void DictObject::set(const Value& key, Value value) {
  const auto [found, fresh] = index_.try_emplace(hash_key(key), entries.size());
  if (fresh)
    entries.emplace_back(key, std::move(value));
  else
    entries[found->second].second = std::move(value);
}

void Limits::step() {
  if (++steps_ > kMaxSteps) fail("it runs for more than 5 million steps");
}

void Limits::produce(size_t bytes) {
  produced_ += bytes;
  if (bytes > kLongestString || produced_ > kMaxProduced) fail("it makes more than 1 GiB of text, or 64 MiB at once");
}

void Limits::hold(size_t items) {
  held_ += items;
  if (items > kMaxHeld || held_ > kMaxHeld) fail("it makes more than 4 million values in lists and dicts");
}

void Limits::enter() {
  if (++depth_ > kMaxDepth) fail("it nests calls and blocks more than 1000 deep");
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
  if (out.text.size() + more.text.size() > Limits::kLongestString) limits.produce(Limits::kLongestString + 1);
  out.append(more);
}

void Runtime::append(MarkedText& out, std::string_view more, char mark) {
  if (out.text.size() + more.size() > Limits::kLongestString) limits.produce(Limits::kLongestString + 1);
  out.append(more, mark);
}

}  // namespace gptq::chat
