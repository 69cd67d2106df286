// Expressions of a template, one case for each kind.
#include <unordered_set>
#include <utility>

#include "chat/jinja/evaluator.h"
#include "chat/jinja/filters.h"
#include "chat/jinja/iteration.h"
#include "chat/jinja/members.h"
#include "chat/jinja/operations.h"
#include "chat/jinja/printing.h"
#include "chat/jinja/tests.h"

namespace gptq::chat {

Value Evaluator::evaluate(const Expr& expr, Scope& scope) {
  runtime_.limits.step();
  const Nesting level(runtime_.limits);
  place_ = expr.place;
  const auto operand = [&](size_t index) { return evaluate(*expr.operands[index], scope); };
  Value result;
  switch (expr.kind) {
    case ExprKind::kConstant: result = expr.value; break;
    case ExprKind::kName: {
      const Value* found = scope.find(expr.name);
      if (found == nullptr) found = globals_.find(expr.name);
      result = found != nullptr ? *found : Value::undefined(expr.name);
      break;
    }
    case ExprKind::kList: result = runtime_.list(evaluate_all(expr.operands, scope)); break;
    case ExprKind::kTuple: result = runtime_.tuple(evaluate_all(expr.operands, scope)); break;
    case ExprKind::kDict: result = evaluate_dict(expr, scope); break;
    case ExprKind::kAttribute: result = attribute(runtime_, operand(0), expr.name); break;
    case ExprKind::kItem: {
      const Value container = operand(0);
      result = subscript(runtime_, container, operand(1));
      break;
    }
    case ExprKind::kSlice: result = evaluate_slice(expr, scope); break;
    case ExprKind::kCall: {
      const Value callee = operand(0);
      result = call(callee, evaluate_arguments(expr.call, scope));
      break;
    }
    case ExprKind::kFilter: result = evaluate_filter(expr, scope); break;
    case ExprKind::kTest: result = Value::boolean(evaluate_test(expr, scope)); break;
    case ExprKind::kNot: result = Value::boolean(!truth(operand(0))); break;
    case ExprKind::kNegative: result = negative(operand(0)); break;
    case ExprKind::kPositive: result = positive(operand(0)); break;
    case ExprKind::kAnd:
      result = operand(0);
      if (truth(result)) result = operand(1);
      break;
    case ExprKind::kOr:
      result = operand(0);
      if (!truth(result)) result = operand(1);
      break;
    case ExprKind::kBinary: {
      const Value left = operand(0);
      result = binary(runtime_, expr.operation, left, operand(1));
      break;
    }
    case ExprKind::kSum: break;  // Evaluator::execute_append
    case ExprKind::kConcat: result = evaluate_concat(expr, scope); break;
    case ExprKind::kCompare: result = evaluate_compare(expr, scope); break;
    case ExprKind::kConditional:
      if (truth(operand(0)))
        result = operand(1);
      else
        result = evaluate_optional(expr.operands[2], scope, Value::undefined("the conditional without else"));
      break;
  }
  return result;
}

Value Evaluator::evaluate_optional(const ExprPtr& expr, Scope& scope, const Value& fallback) {
  return expr ? evaluate(*expr, scope) : fallback;
}

std::vector<Value> Evaluator::evaluate_all(const std::vector<ExprPtr>& exprs, Scope& scope) {
  std::vector<Value> values;
  values.reserve(exprs.size());
  for (const ExprPtr& expr : exprs) values.push_back(evaluate(*expr, scope));
  return values;
}

Value Evaluator::evaluate_dict(const Expr& expr, Scope& scope) {
  const Value dict = runtime_.dict();
  for (size_t i = 0; i < expr.operands.size(); i += 2) {
    const Value key = evaluate(*expr.operands[i], scope);
    dict.dict().set(runtime_.limits, key, evaluate(*expr.operands[i + 1], scope));
  }
  return dict;
}

Value Evaluator::evaluate_concat(const Expr& expr, Scope& scope) {
  MarkedText text;
  for (const ExprPtr& operand : expr.operands) runtime_.append(text, to_text(runtime_, evaluate(*operand, scope)));
  return runtime_.string(std::move(text));
}

Value Evaluator::evaluate_slice(const Expr& expr, Scope& scope) {
  const Value sequence = evaluate(*expr.operands[0], scope);
  const Value start = evaluate_optional(expr.operands[1], scope, Value::none());
  const Value stop = evaluate_optional(expr.operands[2], scope, Value::none());
  return slice(runtime_, sequence, start, stop, evaluate_optional(expr.operands[3], scope, Value::none()));
}

bool Evaluator::holds(Comparison comparison, const Value& left, const Value& right) {
  switch (comparison) {
    case Comparison::kEqual: return equal(runtime_, left, right);
    case Comparison::kUnequal: return !equal(runtime_, left, right);
    case Comparison::kLess: return compare(runtime_, left, right) < 0;
    case Comparison::kLessOrEqual: return compare(runtime_, left, right) <= 0;
    case Comparison::kGreater: return compare(runtime_, left, right) > 0;
    case Comparison::kGreaterOrEqual: return compare(runtime_, left, right) >= 0;
    case Comparison::kIn: return contains(runtime_, right, left);
    case Comparison::kNotIn: break;
  }
  return !contains(runtime_, right, left);
}

// a < b < c is (a < b) and (b < c), with b evaluated once.
Value Evaluator::evaluate_compare(const Expr& expr, Scope& scope) {
  Value left = evaluate(*expr.operands[0], scope);
  for (size_t i = 0; i < expr.comparisons.size(); ++i) {
    const Value right = evaluate(*expr.operands[i + 1], scope);
    if (!holds(expr.comparisons[i], left, right)) return Value::boolean(false);
    left = right;
  }
  return Value::boolean(true);
}

Value Evaluator::evaluate_filter(const Expr& expr, Scope& scope) {
  const Value value = expr.operands[0] ? evaluate(*expr.operands[0], scope) : block_value_;
  const Arguments arguments = evaluate_arguments(expr.call, scope);
  place_ = expr.place;
  if (expr.filter == nullptr) fail(no_such_filter(expr.name));
  return expr.filter(runtime_, value, arguments);
}

bool Evaluator::evaluate_test(const Expr& expr, Scope& scope) {
  const Value value = evaluate(*expr.operands[0], scope);
  const Arguments arguments = evaluate_arguments(expr.call, scope);
  place_ = expr.place;
  if (expr.test == nullptr) fail("there is no test named '" + expr.name + "'");
  return expr.test(runtime_, value, arguments);
}

Arguments Evaluator::evaluate_arguments(const CallArguments& call, Scope& scope) {
  Arguments arguments;
  arguments.positional = evaluate_all(call.positional, scope);
  for (const auto& [name, expr] : call.named) arguments.named.emplace_back(name, evaluate(*expr, scope));
  if (call.star) {
    for (const Value& value : iterate(runtime_, evaluate(*call.star, scope))) arguments.positional.push_back(value);
  }
  if (call.double_star) {
    const Value more = evaluate(*call.double_star, scope);
    if (more.is_undefined()) fail_undefined(more);
    if (!more.is_dict()) fail("the argument after ** must be a mapping");
    std::unordered_set<std::string> written;  // only with these can a key of the mapping collide
    for (const auto& [name, expr] : call.named) written.insert(name);
    runtime_.visit(more.dict().entries.size());
    for (const auto& [key, value] : more.dict().entries) {
      if (!key.is_string()) fail("keywords must be strings");
      runtime_.limits.work(key.text().size());
      if (written.contains(key.text())) fail("got multiple values for keyword argument '" + key.text() + "'");
      arguments.named.emplace_back(key.text(), value);
    }
  }
  return arguments;
}

Value Evaluator::call(const Value& callee, const Arguments& arguments) {
  if (callee.is_undefined()) fail("'" + callee.name() + "' is undefined");
  const Place place = place_;
  Callable* callable = callee.is(Kind::kCallable) ? &callee.callable() : nullptr;
  if (callee.is(Kind::kLoop)) callable = callee.loop().recurse;
  if (callable == nullptr) fail("'" + type_name(callee) + "' object is not callable");
  const Value result = callable->call(runtime_, arguments);
  place_ = place;
  return result;
}

}  // namespace gptq::chat
