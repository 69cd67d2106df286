// Python's arithmetic: numbers of 64 bits, and + * % of strings and lists.
#include <algorithm>
#include <cmath>

#include "chat/jinja/operations.h"
#include "chat/jinja/text_functions.h"

namespace gptq::chat {

namespace {

const char* sign_of(Operator operation) {
  static constexpr const char* kSigns[] = {"+", "-", "*", "/", "//", "%", "**"};
  return kSigns[static_cast<size_t>(operation)];
}

[[noreturn]] void unsupported(Operator operation, const Value& left, const Value& right) {
  for (const Value* value : {&left, &right}) {
    if (value->is_undefined()) fail_undefined(*value);
  }
  fail(std::string("unsupported operand type(s) for ") + sign_of(operation) + ": '" + type_name(left) + "' and '" +
       type_name(right) + "'");
}

[[noreturn]] void overflow() { fail("an integer does not fit in 64 bits"); }

int64_t floor_divide(int64_t left, int64_t right) {
  if (right == -1) {
    if (left == INT64_MIN) overflow();
    return -left;
  }
  const int64_t quotient = left / right;
  return quotient - (left % right != 0 && (left < 0) != (right < 0) ? 1 : 0);
}

int64_t modulo(int64_t left, int64_t right) {
  if (right == -1) return 0;
  const int64_t rest = left % right;
  return rest != 0 && (rest < 0) != (right < 0) ? rest + right : rest;
}

double real_power(double base, double exponent) {
  if (base == 0 && exponent < 0) fail("0.0 cannot be raised to a negative power");
  if (base < 0 && std::isfinite(base) && std::isfinite(exponent) && exponent != std::floor(exponent)) {
    fail("a negative number to the power of a fraction is a complex number, which templates do not have here");
  }
  const double result = std::pow(base, exponent);
  if (std::isinf(result) && std::isfinite(base) && std::isfinite(exponent)) fail("the result of ** is too large");
  return result;
}

Value integer_power(int64_t base, int64_t exponent) {
  if (exponent < 0) return Value::real(real_power(static_cast<double>(base), static_cast<double>(exponent)));
  if (base == 0 || base == 1) return Value::integer(exponent == 0 ? 1 : base);
  if (base == -1) return Value::integer(exponent % 2 == 0 ? 1 : -1);
  int64_t result = 1;
  for (int64_t i = 0; i < exponent; ++i) {
    if (__builtin_mul_overflow(result, base, &result)) overflow();
  }
  return Value::integer(result);
}

Value integer_arithmetic(Operator operation, int64_t left, int64_t right) {
  const bool divides =
      operation == Operator::kDivide || operation == Operator::kFloorDivide || operation == Operator::kModulo;
  if (divides && right == 0) fail("division by zero");
  int64_t result = 0;
  bool fits = true;
  switch (operation) {
    case Operator::kAdd: fits = !__builtin_add_overflow(left, right, &result); break;
    case Operator::kSubtract: fits = !__builtin_sub_overflow(left, right, &result); break;
    case Operator::kMultiply: fits = !__builtin_mul_overflow(left, right, &result); break;
    case Operator::kDivide: return Value::real(static_cast<double>(left) / static_cast<double>(right));
    case Operator::kFloorDivide: result = floor_divide(left, right); break;
    case Operator::kModulo: result = modulo(left, right); break;
    case Operator::kPower: return integer_power(left, right);
  }
  if (!fits) overflow();
  return Value::integer(result);
}

// As Python's float_divmod, which ensures a whole quotient and a remainder with the divisor's sign.
std::pair<double, double> floor_division(double left, double right) {
  double rest = std::fmod(left, right);
  double quotient = (left - rest) / right;
  if (rest == 0) {
    rest = std::copysign(0.0, right);
  } else if ((right < 0) != (rest < 0)) {
    rest += right;
    quotient -= 1;
  }
  if (quotient == 0) return {std::copysign(0.0, left / right), rest};
  const double whole = std::floor(quotient);
  return {quotient - whole > 0.5 ? whole + 1 : whole, rest};
}

Value real_arithmetic(Operator operation, double left, double right) {
  const bool divides =
      operation == Operator::kDivide || operation == Operator::kFloorDivide || operation == Operator::kModulo;
  if (divides && right == 0) fail("float division by zero");
  switch (operation) {
    case Operator::kAdd: return Value::real(left + right);
    case Operator::kSubtract: return Value::real(left - right);
    case Operator::kMultiply: return Value::real(left * right);
    case Operator::kDivide: return Value::real(left / right);
    case Operator::kFloorDivide: return Value::real(floor_division(left, right).first);
    case Operator::kModulo: return Value::real(floor_division(left, right).second);
    case Operator::kPower: break;
  }
  return Value::real(real_power(left, right));
}

Value repeated(Runtime& runtime, const Value& sequence, int64_t times) {
  times = std::max<int64_t>(times, 0);
  const size_t size = std::max<size_t>(1, sequence.is_string() ? sequence.text().size() : length(runtime, sequence));
  if (static_cast<uint64_t>(times) > Limits::kMaxStringBytes / size) fail("a repetition of more than 64 Mi items");
  if (sequence.is_string()) {
    MarkedText out;
    runtime.limits.work(static_cast<size_t>(times));
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
  runtime.visit(left.list().items.size() + right.list().items.size());
  std::vector<Value> items;
  items.reserve(left.list().items.size() + right.list().items.size());
  items.insert(items.end(), left.list().items.begin(), left.list().items.end());
  items.insert(items.end(), right.list().items.begin(), right.list().items.end());
  return left.is(Kind::kList) ? runtime.list(std::move(items)) : runtime.tuple(std::move(items));
}

}  // namespace

Value binary(Runtime& runtime, Operator operation, const Value& left, const Value& right) {
  if (left.is_integer() && right.is_integer()) return integer_arithmetic(operation, left.integer(), right.integer());
  if (left.is_number() && right.is_number()) return real_arithmetic(operation, left.real(), right.real());
  const bool repeatable = operation == Operator::kMultiply;
  if (operation == Operator::kAdd && left.kind() == right.kind() && (left.is_string() || left.is_list())) {
    return added(runtime, left, right);
  }
  if (repeatable && right.is_integer() && (left.is_string() || left.is_list())) {
    return repeated(runtime, left, right.integer());
  }
  if (repeatable && left.is_integer() && (right.is_string() || right.is_list())) {
    return repeated(runtime, right, left.integer());
  }
  if (operation == Operator::kModulo && left.is_string()) {
    return runtime.string(percent_format(runtime, left.marked(), right));
  }
  if (operation == Operator::kAdd && left.is_string() && !right.is_undefined()) {
    fail("can only concatenate str (not \"" + type_name(right) + "\") to str");
  }
  unsupported(operation, left, right);
}

Value negative(const Value& value) {
  if (value.is_undefined()) fail_undefined(value);
  if (value.is(Kind::kFloat)) return Value::real(-value.real());
  if (!value.is_integer()) fail("bad operand type for unary -: '" + type_name(value) + "'");
  if (value.integer() == INT64_MIN) overflow();
  return Value::integer(-value.integer());
}

Value positive(const Value& value) {
  if (value.is_undefined()) fail_undefined(value);
  if (value.is(Kind::kFloat)) return value;
  if (!value.is_integer()) fail("bad operand type for unary +: '" + type_name(value) + "'");
  return Value::integer(value.integer());
}

}  // namespace gptq::chat
