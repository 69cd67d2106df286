// Truth, equality, order, membership and length.
#include "chat/jinja/operations.h"

#include <algorithm>
#include <cstring>

#include "chat/jinja/iteration.h"
#include "chat/jinja/text_search.h"
#include "unicode/characters.h"

namespace gptq::chat {

namespace {

std::partial_ordering compare_numbers(const Value& left, const Value& right) {
  if (left.is_integer() && right.is_integer()) return left.integer() <=> right.integer();
  // A long double has room for every int64 and every double, so that no two different numbers become equal.
  const auto exact = [](const Value& value) {
    return value.is_integer() ? static_cast<long double>(value.integer()) : static_cast<long double>(value.real());
  };
  return exact(left) <=> exact(right);
}

bool equal_dicts(Runtime& runtime, const DictObject& left, const DictObject& right) {
  if (left.entries.size() != right.entries.size()) return false;
  for (const auto& [key, value] : left.entries) {
    const Value* other = right.find(runtime.limits, key);
    if (other == nullptr || !equal(runtime, value, *other)) return false;
  }
  return true;
}

bool equal_lists(Runtime& runtime, const std::vector<Value>& left, const std::vector<Value>& right) {
  if (left.size() != right.size()) return false;
  for (size_t i = 0; i < left.size(); ++i) {
    if (!equal(runtime, left[i], right[i])) return false;
  }
  return true;
}

bool equal_ranges(const RangeObject& left, const RangeObject& right) {
  if (left.count != right.count) return false;
  return left.count == 0 || (left.start == right.start && (left.count == 1 || left.step == right.step));
}

// Keys and items of dicts compare as sets do; values as objects.
bool equal_views(Runtime& runtime, const Value& left, const Value& right) {
  if (left.identity() == right.identity()) return true;
  const auto is_set = [](const Value& view) { return std::strcmp(view.list().type, "dict_values") != 0; };
  if (!is_set(left) || !is_set(right) || left.list().items.size() != right.list().items.size()) return false;
  for (const Value& value : left.list().items) {
    if (!contains(runtime, right, value)) return false;
  }
  return true;
}

bool equal_texts(Runtime& runtime, const std::string& left, const std::string& right) {
  if (left.size() != right.size()) return false;
  runtime.limits.work(left.size());
  return left == right;
}

}  // namespace

void fail_undefined(const Value& value) { fail("'" + value.name() + "' is undefined"); }

bool truth(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kNone: return false;
    case Kind::kBool:
    case Kind::kInt: return value.integer() != 0;
    case Kind::kFloat: return value.real() != 0;
    case Kind::kString: return !value.text().empty();
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kView: return !value.list().items.empty();
    case Kind::kRange: return value.range().count != 0;
    case Kind::kDict: return !value.dict().entries.empty();
    default: return true;
  }
}

bool equal(Runtime& runtime, const Value& left, const Value& right) {
  runtime.limits.step();
  if (left.is_number() && right.is_number()) return compare_numbers(left, right) == 0;
  if (left.kind() != right.kind()) return false;
  const Nesting level(runtime.limits);
  switch (left.kind()) {
    case Kind::kUndefined:
    case Kind::kNone: return true;
    case Kind::kString: return equal_texts(runtime, left.text(), right.text());
    case Kind::kList:
    case Kind::kTuple: return equal_lists(runtime, left.list().items, right.list().items);
    case Kind::kRange: return equal_ranges(left.range(), right.range());
    case Kind::kView: return equal_views(runtime, left, right);
    case Kind::kDict: return equal_dicts(runtime, left.dict(), right.dict());
    default: return left.identity() == right.identity();
  }
}

std::partial_ordering compare(Runtime& runtime, const Value& left, const Value& right) {
  runtime.limits.step();
  if (left.is_number() && right.is_number()) return compare_numbers(left, right);
  if (left.is_string() && right.is_string()) {
    runtime.limits.work(std::min(left.text().size(), right.text().size()));
    return left.text().compare(right.text()) <=> 0;  // UTF-8 keeps the order of code points
  }
  if (left.is_list() && left.kind() == right.kind()) {
    const Nesting level(runtime.limits);
    const auto& a = left.list().items;
    const auto& b = right.list().items;
    for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
      if (!equal(runtime, a[i], b[i])) return compare(runtime, a[i], b[i]);
    }
    return a.size() <=> b.size();
  }
  for (const Value* value : {&left, &right}) {
    if (value->is_undefined()) fail_undefined(*value);
  }
  fail("'" + type_name(left) + "' and '" + type_name(right) + "' have no order between them");
}

bool contains(Runtime& runtime, const Value& container, const Value& item) {
  if (container.is_string()) {
    if (!item.is_string()) fail("'in <string>' requires string as left operand, not " + type_name(item));
    runtime.limits.work(container.text().size());
    return find_text(container.text(), item.text(), 0) != std::string::npos;
  }
  if (container.is_dict()) return container.dict().find(runtime.limits, item) != nullptr;
  if (!is_iterable(container)) fail("argument of type '" + type_name(container) + "' is not iterable");
  if (container.is(Kind::kView) && type_name(container) == "dict_keys") hash_key(runtime.limits, item);  // may fail
  Iterator& iterator = start_iteration(runtime, container);
  for (Value candidate; iterator.next(runtime, candidate);) {
    if (equal(runtime, candidate, item)) return true;
  }
  return false;
}

size_t length(Runtime& runtime, const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined: return 0;
    case Kind::kString: runtime.limits.work(value.text().size()); return count_chars(value.text());
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kView: return value.list().items.size();
    case Kind::kRange: return static_cast<size_t>(value.range().count);
    case Kind::kDict: return value.dict().entries.size();
    default: fail("object of type '" + type_name(value) + "' has no len()");
  }
}

int64_t to_index(const Value& value, const std::string& what) {
  if (!value.is_integer()) fail(what + " must be an integer, not " + type_name(value));
  return value.integer();
}

}  // namespace gptq::chat
