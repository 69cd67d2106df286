// One iterator per kind of value.
#include "chat/jinja/iteration.h"

#include "chat/jinja/operations.h"
#include "unicode/characters.h"

namespace gptq::chat {

namespace {

struct ItemIterator : Iterator {
  explicit ItemIterator(const std::vector<Value>& all) : items(all) {}
  bool next(Runtime&, Value& item) override {
    if (position == items.size()) return false;
    item = items[position++];
    return true;
  }
  const std::vector<Value>& items;
  size_t position = 0;
};

struct KeyIterator : Iterator {
  explicit KeyIterator(const DictObject& owner) : dict(owner) {}
  bool next(Runtime&, Value& item) override {
    if (position == dict.entries.size()) return false;
    item = dict.entries[position++].first;
    return true;
  }
  const DictObject& dict;
  size_t position = 0;
};

struct CharIterator : Iterator {
  explicit CharIterator(Value owner) : string(std::move(owner)) {}
  bool next(Runtime& runtime, Value& item) override {
    if (position == string.text().size()) return false;
    const size_t begin = position;
    next_char(string.text(), position);
    item = runtime.string(substring(string.marked(), begin, position));
    return true;
  }
  Value string;
  size_t position = 0;
};

struct RangeIterator : Iterator {
  explicit RangeIterator(const RangeObject& owner) : range(owner) {}
  bool next(Runtime&, Value& item) override {
    if (position == range.count) return false;
    item = range.at(position++);
    return true;
  }
  const RangeObject& range;
  int64_t position = 0;
};

struct NothingIterator : Iterator {
  bool next(Runtime&, Value&) override { return false; }
};

}  // namespace

bool is_iterable(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kString:
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kRange:
    case Kind::kView:
    case Kind::kIterator:
    case Kind::kDict:
    case Kind::kLoop: return true;
    default: return false;
  }
}

Iterator& start_iteration(Runtime& runtime, const Value& value) {
  runtime.limits.hold(1);
  switch (value.kind()) {
    case Kind::kUndefined: return *runtime.heap.make<NothingIterator>();
    case Kind::kString: return *runtime.heap.make<CharIterator>(value);
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kView: return *runtime.heap.make<ItemIterator>(value.list().items);
    case Kind::kRange: return *runtime.heap.make<RangeIterator>(value.range());
    case Kind::kIterator: return value.iterator();
    case Kind::kDict: return *runtime.heap.make<KeyIterator>(value.dict());
    default: fail("'" + type_name(value) + "' object is not iterable");
  }
}

std::vector<Value> iterate(Runtime& runtime, const Value& value) {
  if (value.is_list() || value.is(Kind::kView)) {
    runtime.visit(value.list().items.size());
    return value.list().items;
  }
  std::vector<Value> items;
  Iterator& iterator = start_iteration(runtime, value);
  for (Value item; iterator.next(runtime, item);) {
    runtime.limits.step();
    items.push_back(item);
  }
  return items;
}

int64_t known_length(Runtime& runtime, const Value& value) {
  const bool sized = is_iterable(value) && !value.is(Kind::kIterator) && !value.is(Kind::kLoop);
  return sized ? static_cast<int64_t>(length(runtime, value)) : -1;
}

}  // namespace gptq::chat
