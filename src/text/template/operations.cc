// Python's operators on template values.
#include "text/template/operations.h"

#include <algorithm>
#include <cmath>

#include "text/template/text_functions.h"
#include "text/unicode.h"

namespace gptq::chat {

namespace {

[[noreturn]] void unsupported(const std::string& operation, const Value& left, const Value& right) {
  for (const Value* value : {&left, &right}) {
    if (value->is_undefined()) fail("'" + value->name() + "' is undefined");
  }
  fail("unsupported operand type(s) for " + operation + ": '" + type_name(left) + "' and '" + type_name(right) + "'");
}

[[noreturn]] void overflow() { fail("an integer does not fit in 64 bits"); }

int64_t floor_divide(int64_t left, int64_t right) {
  if (right == 0) fail("integer division or modulo by zero");
  if (right == -1) {
    if (left == INT64_MIN) overflow();
    return -left;
  }
  const int64_t quotient = left / right;
  return quotient - (left % right != 0 && (left < 0) != (right < 0) ? 1 : 0);
}

int64_t modulo(int64_t left, int64_t right) {
  if (right == 0) fail("integer division or modulo by zero");
  if (right == -1) return 0;
  const int64_t rest = left % right;
  return rest != 0 && (rest < 0) != (right < 0) ? rest + right : rest;
}

Value integer_power(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) fail("0.0 cannot be raised to a negative power");
    return Value::real(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  if (base == 0 || base == 1) return Value::integer(exponent == 0 ? 1 : base);
  if (base == -1) return Value::integer(exponent % 2 == 0 ? 1 : -1);
  int64_t result = 1;
  for (int64_t i = 0; i < exponent; ++i) {
    if (__builtin_mul_overflow(result, base, &result)) overflow();
  }
  return Value::integer(result);
}

Value integer_arithmetic(const std::string& operation, int64_t left, int64_t right) {
  int64_t result = 0;
  if (operation == "+") {
    if (__builtin_add_overflow(left, right, &result)) overflow();
  } else if (operation == "-") {
    if (__builtin_sub_overflow(left, right, &result)) overflow();
  } else if (operation == "*") {
    if (__builtin_mul_overflow(left, right, &result)) overflow();
  } else if (operation == "//") {
    result = floor_divide(left, right);
  } else if (operation == "%") {
    result = modulo(left, right);
  } else if (operation == "/") {
    if (right == 0) fail("division by zero");
    return Value::real(static_cast<double>(left) / static_cast<double>(right));
  } else {
    return integer_power(left, right);
  }
  return Value::integer(result);
}

Value real_arithmetic(const std::string& operation, double left, double right) {
  if (operation == "+") return Value::real(left + right);
  if (operation == "-") return Value::real(left - right);
  if (operation == "*") return Value::real(left * right);
  if (operation == "**") return Value::real(std::pow(left, right));
  if (right == 0) fail("float division by zero");
  if (operation == "/") return Value::real(left / right);
  if (operation == "//") return Value::real(std::floor(left / right));
  const double rest = std::fmod(left, right);
  return Value::real(rest != 0 && (rest < 0) != (right < 0) ? rest + right : rest);
}

Value repeated(Runtime& runtime, const Value& sequence, int64_t times) {
  times = std::max<int64_t>(times, 0);
  const size_t size = std::max<size_t>(1, length(sequence));
  if (static_cast<uint64_t>(times) > Limits::kLongestString / size) fail("a repetition of more than 64 Mi items");
  if (sequence.is_string()) {
    MarkedText out;
    for (int64_t i = 0; i < times; ++i) runtime.append(out, sequence.marked());
    return runtime.string(std::move(out));
  }
  runtime.limits.hold(static_cast<size_t>(times) * size);
  std::vector<Value> items;
  for (int64_t i = 0; i < times; ++i) {
    items.insert(items.end(), sequence.list().items.begin(), sequence.list().items.end());
  }
  return sequence.is(Kind::kList) ? runtime.list(std::move(items)) : runtime.tuple(std::move(items));
}

Value added(Runtime& runtime, const Value& left, const Value& right) {
  if (left.is_string()) {
    MarkedText out = left.marked();
    runtime.append(out, right.marked());
    return runtime.string(std::move(out));
  }
  std::vector<Value> items = left.list().items;
  items.insert(items.end(), right.list().items.begin(), right.list().items.end());
  return left.is(Kind::kList) ? runtime.list(std::move(items)) : runtime.tuple(std::move(items));
}

bool equal_dicts(Runtime& runtime, const DictObject& left, const DictObject& right) {
  if (left.entries.size() != right.entries.size()) return false;
  for (const auto& [key, value] : left.entries) {
    const Value* other = right.find(key);
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

}  // namespace

bool truth(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kNone: return false;
    case Kind::kBool:
    case Kind::kInt: return value.integer() != 0;
    case Kind::kFloat: return value.real() != 0;
    case Kind::kString: return !value.text().empty();
    case Kind::kList:
    case Kind::kTuple: return !value.list().items.empty();
    case Kind::kDict: return !value.dict().entries.empty();
    default: return true;
  }
}

bool equal(Runtime& runtime, const Value& left, const Value& right) {
  runtime.limits.step();
  if (left.is_number() && right.is_number()) {
    if (left.is_integer() && right.is_integer()) return left.integer() == right.integer();
    return left.real() == right.real();
  }
  if (left.kind() != right.kind()) return false;
  runtime.limits.enter();
  bool result = false;
  switch (left.kind()) {
    case Kind::kUndefined:
    case Kind::kNone: result = true; break;
    case Kind::kString: result = left.text() == right.text(); break;
    case Kind::kList:
    case Kind::kTuple: result = equal_lists(runtime, left.list().items, right.list().items); break;
    case Kind::kDict: result = equal_dicts(runtime, left.dict(), right.dict()); break;
    default: result = left.identity() == right.identity(); break;
  }
  runtime.limits.leave();
  return result;
}

int compare(Runtime& runtime, const Value& left, const Value& right) {
  runtime.limits.step();
  if (left.is_number() && right.is_number()) {
    if (left.is_integer() && right.is_integer()) {
      return left.integer() < right.integer() ? -1 : left.integer() > right.integer() ? 1 : 0;
    }
    return left.real() < right.real() ? -1 : left.real() > right.real() ? 1 : 0;
  }
  if (left.is_string() && right.is_string()) return left.text().compare(right.text());  // UTF-8 keeps code order
  if (left.is_list() && left.kind() == right.kind()) {
    runtime.limits.enter();
    const auto& a = left.list().items;
    const auto& b = right.list().items;
    int result = a.size() < b.size() ? -1 : a.size() > b.size() ? 1 : 0;
    for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
      if (equal(runtime, a[i], b[i])) continue;
      result = compare(runtime, a[i], b[i]);
      break;
    }
    runtime.limits.leave();
    return result;
  }
  for (const Value* value : {&left, &right}) {
    if (value->is_undefined()) fail("'" + value->name() + "' is undefined");
  }
  fail("'" + type_name(left) + "' and '" + type_name(right) + "' have no order between them");
}

bool contains(Runtime& runtime, const Value& container, const Value& item) {
  switch (container.kind()) {
    case Kind::kUndefined: return false;
    case Kind::kString:
      if (!item.is_string()) fail("'in <string>' requires string as left operand, not " + type_name(item));
      return container.text().find(item.text()) != std::string::npos;
    case Kind::kDict: return container.dict().find(item) != nullptr;
    case Kind::kList:
    case Kind::kTuple: break;
    default: fail("argument of type '" + type_name(container) + "' is not iterable");
  }
  for (const Value& candidate : container.list().items) {
    if (equal(runtime, candidate, item)) return true;
  }
  return false;
}

Value binary(Runtime& runtime, const std::string& operation, const Value& left, const Value& right) {
  if (left.is_integer() && right.is_integer()) return integer_arithmetic(operation, left.integer(), right.integer());
  if (left.is_number() && right.is_number()) return real_arithmetic(operation, left.real(), right.real());
  if (operation == "+" && left.kind() == right.kind() && (left.is_string() || left.is_list())) {
    return added(runtime, left, right);
  }
  if (operation == "*" && right.is_integer() && (left.is_string() || left.is_list())) {
    return repeated(runtime, left, right.integer());
  }
  if (operation == "*" && left.is_integer() && (right.is_string() || right.is_list())) {
    return repeated(runtime, right, left.integer());
  }
  if (operation == "%" && left.is_string()) return runtime.string(percent_format(runtime, left.marked(), right));
  if (operation == "+" && left.is_string() && !right.is_undefined()) {
    fail("can only concatenate str (not \"" + type_name(right) + "\") to str");
  }
  unsupported(operation, left, right);
}

Value negative(const Value& value) {
  if (value.is_undefined()) fail("'" + value.name() + "' is undefined");
  if (value.is(Kind::kFloat)) return Value::real(-value.real());
  if (!value.is_integer()) fail("bad operand type for unary -: '" + type_name(value) + "'");
  if (value.integer() == INT64_MIN) overflow();
  return Value::integer(-value.integer());
}

size_t length(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined: return 0;
    case Kind::kString: return count_chars(value.text());
    case Kind::kList:
    case Kind::kTuple: return value.list().items.size();
    case Kind::kDict: return value.dict().entries.size();
    case Kind::kLoop: return value.loop().count;
    default: fail("object of type '" + type_name(value) + "' has no len()");
  }
}

std::vector<size_t> char_starts(const std::string& text) {
  std::vector<size_t> starts;
  for (size_t position = 0; position < text.size();) {
    starts.push_back(position);
    next_char(text, position);
  }
  starts.push_back(text.size());
  return starts;
}

MarkedText substring(const MarkedText& text, size_t begin, size_t end) { return text.substr(begin, end - begin); }

std::vector<Value> iterate(Runtime& runtime, const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined: return {};
    case Kind::kList:
    case Kind::kTuple: return value.list().items;
    case Kind::kDict: {
      std::vector<Value> keys;
      for (const auto& [key, entry] : value.dict().entries) keys.push_back(key);
      return keys;
    }
    case Kind::kString: {
      const std::vector<size_t> starts = char_starts(value.text());
      runtime.limits.produce(starts.size() * sizeof(MarkedText));
      std::vector<Value> chars;
      for (size_t i = 0; i + 1 < starts.size(); ++i) {
        chars.push_back(Value::string(substring(value.marked(), starts[i], starts[i + 1])));
      }
      return chars;
    }
    default: fail("'" + type_name(value) + "' object is not iterable");
  }
}

Value item(Runtime& runtime, const Value& container, const Value& key) {
  if (container.is_undefined()) fail("'" + container.name() + "' is undefined");
  const std::string name = key.is_string() ? key.text() : "the item";
  if (container.is(Kind::kDict) || container.is(Kind::kNamespace)) {
    if (key.is(Kind::kList) || key.is(Kind::kDict)) return Value::undefined(name);
    const Value* found = container.dict().find(key);
    return found != nullptr ? *found : Value::undefined(name);
  }
  if ((container.is_list() || container.is_string()) && key.is_integer()) {
    const auto size = static_cast<int64_t>(length(container));
    const int64_t index = key.integer() < 0 ? key.integer() + size : key.integer();
    if (index < 0 || index >= size) return Value::undefined(name);
    if (container.is_list()) return container.list().items[static_cast<size_t>(index)];
    const std::vector<size_t> starts = char_starts(container.text());
    const auto at = static_cast<size_t>(index);
    return runtime.string(substring(container.marked(), starts[at], starts[at + 1]));
  }
  return Value::undefined(name);
}

int64_t to_index(const Value& value, const std::string& what) {
  if (!value.is_integer()) fail(what + " must be an integer, not " + type_name(value));
  return value.integer();
}

// Python's rules: bounds are clamped, negative ones count from the end, a negative step walks backwards.
Value slice(Runtime& runtime, const Value& sequence, const Value& start, const Value& stop, const Value& step) {
  if (sequence.is_undefined()) fail("'" + sequence.name() + "' is undefined");
  if (!sequence.is_list() && !sequence.is_string()) fail("'" + type_name(sequence) + "' object cannot be sliced");
  const auto size = static_cast<int64_t>(length(sequence));
  const int64_t stride = step.is_none() ? 1 : to_index(step, "a slice step");
  if (stride == 0) fail("slice step cannot be zero");
  const int64_t lowest = stride > 0 ? 0 : -1;
  const int64_t highest = stride > 0 ? size : size - 1;
  const auto bound = [&](const Value& value, int64_t fallback) {
    if (value.is_none()) return fallback;
    int64_t index = to_index(value, "a slice bound");
    if (index < 0) index = index < -size ? lowest : index + size;
    return std::clamp(index, lowest, highest);
  };
  const int64_t begin = bound(start, stride > 0 ? lowest : highest);
  const int64_t end = bound(stop, stride > 0 ? highest : lowest);
  std::vector<size_t> chosen;
  for (int64_t i = begin; stride > 0 ? i < end : i > end;) {
    chosen.push_back(static_cast<size_t>(i));
    if (__builtin_add_overflow(i, stride, &i)) break;
  }
  if (sequence.is_string()) {
    const std::vector<size_t> starts = char_starts(sequence.text());
    MarkedText out;
    if (stride == 1 && !chosen.empty()) {
      out = substring(sequence.marked(), starts[chosen.front()], starts[chosen.back() + 1]);
    } else {
      for (const size_t i : chosen) out.append(substring(sequence.marked(), starts[i], starts[i + 1]));
    }
    return runtime.string(std::move(out));
  }
  std::vector<Value> items;
  for (const size_t i : chosen) items.push_back(sequence.list().items[i]);
  return sequence.is(Kind::kList) ? runtime.list(std::move(items)) : runtime.tuple(std::move(items));
}

}  // namespace gptq::chat
