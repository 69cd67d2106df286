// The values of a template, and the memory and limits of one rendering.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "chat/jinja/limits.h"
#include "unicode/marked_text.h"

namespace gptq::chat {

using unicode::MarkedText;

class Runtime;

// Strings are shared and immutable. Containers and callables are in the Heap of the rendering until it ends, and
// values point to them without ownership: cycles are harmless and nothing is destroyed recursively.
enum class Kind {
  kUndefined,
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kList,
  kTuple,
  kRange,     // range(...): a sequence that is not stored
  kView,      // result of keys(), values() and items() of a dict: iterable, with a length, without subscripts
  kIterator,  // result of most filters on lists: can be iterated once, is always true, has no length
  kDict,
  kNamespace,
  kCallable,
  kLoop
};

struct Object {
  virtual ~Object() = default;
};
struct ListObject;
struct RangeObject;
struct DictObject;
struct Iterator;
struct Callable;
struct LoopObject;

class Value {
 public:
  Value() = default;                                // undefined
  static Value undefined(const std::string& name);  // `name` appears in errors: "'name' is undefined"
  static Value none() { return Value(Kind::kNone); }
  static Value boolean(bool flag);
  static Value integer(int64_t number);
  static Value real(double number);
  static Value string(MarkedText text);
  static Value string(std::string_view text) { return string(MarkedText{std::string(text), ""}); }
  static Value object(Kind kind, Object* object);

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_undefined() const { return kind_ == Kind::kUndefined; }
  bool is_none() const { return kind_ == Kind::kNone; }
  bool is_string() const { return kind_ == Kind::kString; }
  bool is_number() const { return kind_ == Kind::kBool || kind_ == Kind::kInt || kind_ == Kind::kFloat; }
  bool is_integer() const { return kind_ == Kind::kBool || kind_ == Kind::kInt; }  // a bool counts as 0 or 1
  bool is_list() const { return kind_ == Kind::kList || kind_ == Kind::kTuple; }
  bool is_dict() const { return kind_ == Kind::kDict; }

  bool flag() const { return integer_ != 0; }
  int64_t integer() const { return integer_; }
  double real() const { return kind_ == Kind::kFloat ? real_ : static_cast<double>(integer_); }
  const MarkedText& marked() const { return *text_; }
  const std::string& text() const { return text_->text; }
  MarkedText* unshared();           // the text if this value is its only owner, else nullptr
  const std::string& name() const;  // of an undefined value
  ListObject& list() const;         // of kList, kTuple and kView
  RangeObject& range() const;
  Iterator& iterator() const;
  DictObject& dict() const;  // of kDict and kNamespace
  Callable& callable() const;
  LoopObject& loop() const;
  const Object* identity() const { return object_; }

 private:
  explicit Value(Kind kind) : kind_(kind) {}

  Kind kind_ = Kind::kUndefined;
  int64_t integer_ = 0;
  double real_ = 0;
  std::shared_ptr<MarkedText> text_;
  Object* object_ = nullptr;
};

struct ListObject : Object {
  std::vector<Value> items;
  const char* type = nullptr;  // Python's name for it, if not list or tuple: "dict_keys"
};

// The `count` numbers start, start + step, ...
struct RangeObject : Object {
  int64_t start = 0, stop = 0, step = 1, count = 0;
  Value at(int64_t index) const { return Value::integer(start + index * step); }
};

// Yields its items one by one, each once.
struct Iterator : Object {
  virtual bool next(Runtime& runtime, Value& item) = 0;  // false: there are no more
};

// Keeps insertion order; keys that are equal in Python (1, 1.0 and true) are one key.
struct DictObject : Object {
  std::vector<std::pair<Value, Value>> entries;  // added to by set() only

  const Value* find(Limits& limits, const Value& key) const;
  const Value* find(std::string_view key) const;
  void set(Limits& limits, const Value& key, Value value);
  void set(Limits& limits, std::string_view key, Value value);
  Value* slot(std::string_view key);  // nullptr when there is none

 private:
  void put(std::string hash, const Value& key, Value value);
  std::unordered_map<std::string, size_t> index_;  // by hash_key
};

// The arguments of a call.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

struct Callable : Object {
  virtual Value call(Runtime& runtime, const Arguments& arguments) = 0;
  virtual std::string name() const = 0;
  virtual std::string spelling() const { return "<function " + name() + ">"; }  // when it is printed
  virtual bool is_callable() const { return true; }
  virtual Value attribute(Runtime&, const std::string& attribute_name) { return Value::undefined(attribute_name); }
};

using Native = Value (*)(Runtime& runtime, const Value& self, const Arguments& arguments);

// A built-in function, or a method with the value it is bound to.
struct NativeCallable : Callable {
  NativeCallable(const char* function_name, Native function, Value owner)
      : name_(function_name), function_(function), self_(std::move(owner)) {}
  Value call(Runtime& runtime, const Arguments& arguments) override { return function_(runtime, self_, arguments); }
  std::string name() const override { return name_; }

 private:
  const char* name_;
  Native function_;
  Value self_;
};

// `loop` inside a for block. Looks ahead only as far as requested.
struct LoopObject : Object {
  Iterator* source = nullptr;
  int64_t size = -1;  // if it is known without iterating
  int64_t index = -1;
  int depth = 1;
  bool has_before = false, has_after = false;
  Value before, current, after;
  std::vector<Value> last_changed;
  bool has_changed = false;
  Callable* recurse = nullptr;  // of a recursive loop

  bool advance(Runtime& runtime);  // to the next item; false when there is none
  bool peek(Runtime& runtime);     // fills `after`
  int64_t length(Runtime& runtime);
};

std::string hash_key(Limits& limits, const Value& key);  // fails for lists and dicts, as Python does
std::string type_name(const Value& value);               // as Python names it, for errors

// Owns the containers of one rendering.
class Heap {
 public:
  template <typename T, typename... Args>
  T* make(Args&&... args) {
    auto object = std::make_unique<T>(std::forward<Args>(args)...);
    T* pointer = object.get();
    objects_.push_back(std::move(object));
    return pointer;
  }

  void own(std::unique_ptr<Object> object) { objects_.push_back(std::move(object)); }

 private:
  std::deque<std::unique_ptr<Object>> objects_;
};

// State that operations, filters and functions share during one rendering.
class Runtime {
 public:
  explicit Runtime(int64_t clock_seconds, const Bounds& bounds = {}) : limits(bounds), clock(clock_seconds) {}

  Value list(std::vector<Value> items);
  Value tuple(std::vector<Value> items);
  Value view(const char* type, std::vector<Value> items);
  template <typename T, typename... Args>
  Value iterator(Args&&... args) {
    limits.hold(2);
    return Value::object(Kind::kIterator, heap.make<T>(std::forward<Args>(args)...));
  }
  Value dict();
  Value string(MarkedText text);  // counts towards the limits
  Value string(std::string text) { return string(MarkedText{std::move(text), ""}); }
  Value native(const char* name, Native function, Value self = Value());

  // Charges an iteration over, or a copy of, this many items.
  void visit(size_t items) { limits.work(items * sizeof(Value)); }

  // Appends within the limits; used by all code that builds text.
  void append(MarkedText& out, const MarkedText& more);
  void append(MarkedText& out, std::string_view more, char mark = 0);
  void append(Value& string, const MarkedText& more);  // in place if there is no other owner

  Heap heap;
  Limits limits;
  int64_t clock;  // seconds since 1970
};

// A failure of the template; the evaluator adds the line.
[[noreturn]] void fail(const std::string& reason);

struct TemplateFailure {
  std::string reason;
};

}  // namespace gptq::chat
