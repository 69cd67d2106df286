// Statements of a template, one function for each kind that is more than a line.
#include "chat/jinja/evaluator.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "chat/jinja/callables.h"
#include "chat/jinja/filters.h"
#include "chat/jinja/iteration.h"
#include "chat/jinja/operations.h"
#include "chat/jinja/printing.h"

namespace gptq::chat {

MarkedText Evaluator::run(const Body& body, Scope& scope) {
  root_ = &scope;
  execute(body, scope);
  return std::move(out_);
}

Evaluator::Flow Evaluator::execute(const Body& body, Scope& scope) {
  for (const auto& statement : body) {
    const Flow flow = execute(*statement, scope);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Evaluator::Flow Evaluator::execute(const Statement& statement, Scope& scope) {
  runtime_.limits.step();
  const Nesting level(runtime_.limits);
  place_ = statement.place;
  Flow flow = Flow::kNext;
  switch (statement.kind) {
    case StatementKind::kText: runtime_.append(out_, statement.text); break;
    case StatementKind::kPrint: runtime_.append(out_, to_text(runtime_, evaluate(*statement.expr, scope))); break;
    case StatementKind::kIf: flow = execute_if(statement, scope); break;
    case StatementKind::kFor: execute_for(statement, scope); break;
    case StatementKind::kSet: assign(statement.target, evaluate(*statement.expr, scope), scope); break;
    case StatementKind::kAppend: execute_append(statement, scope); break;
    case StatementKind::kSetBlock: flow = execute_set_block(statement, scope); break;
    case StatementKind::kMacro:
      scope.set(statement.name, make_macro(statement, statement.name, statement.special_names, scope));
      break;
    case StatementKind::kCallBlock: execute_call_block(statement, scope); break;
    case StatementKind::kFilterBlock: flow = execute_filter_block(statement, scope); break;
    case StatementKind::kScope: {
      LocalScope inner(runtime_, scope);
      for (const auto& [target, expr] : statement.assignments) assign(target, evaluate(*expr, scope), *inner);
      flow = execute(statement.body, *inner);
      break;
    }
    case StatementKind::kBlock: {
      LocalScope inner(runtime_, *root_);
      execute(statement.body, *inner);
      break;
    }
    case StatementKind::kBreak: flow = Flow::kBreak; break;
    case StatementKind::kContinue: flow = Flow::kContinue; break;
  }
  return flow;
}

Evaluator::Flow Evaluator::execute_if(const Statement& statement, Scope& scope) {
  for (const auto& [condition, body] : statement.branches) {
    if (!condition || truth(evaluate(*condition, scope))) return execute(body, scope);
  }
  return Flow::kNext;
}

// The items for which the condition of a for tag holds, evaluated one by one between the iterations.
class Evaluator::FilteredItems : public Iterator {
 public:
  FilteredItems(Evaluator& evaluator, const Statement& statement, Scope& scope, Iterator& source)
      : evaluator_(evaluator), statement_(statement), scope_(scope), source_(source) {}

  bool next(Runtime& runtime, Value& item) override {
    while (source_.next(runtime, item)) {
      runtime.limits.step();
      LocalScope inner(runtime, scope_);
      evaluator_.assign(statement_.target, item, *inner);
      if (truth(evaluator_.evaluate(*statement_.condition, *inner))) return true;
    }
    return false;
  }

 private:
  Evaluator& evaluator_;
  const Statement& statement_;
  Scope& scope_;
  Iterator& source_;
};

void Evaluator::execute_for(const Statement& statement, Scope& scope) {
  run_loop(statement, scope, evaluate(*statement.expr, scope), 1);
}

void Evaluator::run_loop(const Statement& statement, Scope& scope, const Value& items, int depth) {
  runtime_.limits.hold(2);
  auto* loop = runtime_.heap.make<LoopObject>();
  loop->source = &start_iteration(runtime_, items);
  loop->depth = depth;
  if (statement.condition)
    loop->source = runtime_.heap.make<FilteredItems>(*this, statement, scope, *loop->source);
  else
    loop->size = known_length(runtime_, items);
  if (statement.condition || statement.recursive) scope.pin();
  if (statement.recursive) loop->recurse = runtime_.heap.make<RecursiveLoop>(*this, statement, scope, depth + 1);
  // any iteration, up to its end: after break and continue only, Jinja continues with the else part
  bool completed = false;
  while (loop->advance(runtime_)) {
    runtime_.limits.step();
    LocalScope inner(runtime_, scope);
    assign(statement.target, loop->current, *inner);
    (*inner).set("loop", Value::object(Kind::kLoop, loop));
    const Flow flow = execute(statement.body, *inner);
    if (flow == Flow::kBreak) break;
    completed |= flow == Flow::kNext;
  }
  if (completed) return;
  LocalScope otherwise(runtime_, scope);
  execute(statement.orelse, *otherwise);
}

MarkedText Evaluator::captured(const Body& body, Scope& scope, Flow& flow) {
  MarkedText outer = std::exchange(out_, {});
  LocalScope inner(runtime_, scope);
  flow = execute(body, *inner);
  return std::exchange(out_, std::move(outer));
}

Value Evaluator::filtered(const Expr& filters, const Value& value, Scope& scope) {
  const Value outer = std::exchange(block_value_, value);
  const Value result = evaluate(filters, scope);
  block_value_ = outer;
  return result;
}

Evaluator::Flow Evaluator::execute_set_block(const Statement& statement, Scope& scope) {
  Flow flow = Flow::kNext;
  const Value text = runtime_.string(captured(statement.body, scope, flow));
  if (flow != Flow::kNext) return flow;
  assign(statement.target, statement.expr ? filtered(*statement.expr, text, scope) : text, scope);
  return flow;
}

Evaluator::Flow Evaluator::execute_filter_block(const Statement& statement, Scope& scope) {
  Flow flow = Flow::kNext;
  const Value text = runtime_.string(captured(statement.body, scope, flow));
  if (flow != Flow::kNext) return flow;
  const Value result = filtered(*statement.expr, text, scope);
  if (!result.is_string()) fail("a filter block must return a string, found " + type_name(result));
  runtime_.append(out_, result.marked());
  return flow;
}

// A text without other references is extended in place, so that a thousand small additions are not a thousand copies.
void Evaluator::execute_append(const Statement& statement, Scope& scope) {
  std::vector<Value> operands = evaluate_all(statement.expr->operands, scope);
  const bool concat = statement.expr->kind == ExprKind::kConcat;
  const Target& target = statement.target;
  Value* slot = scope.own(target.name);
  if (!target.attribute.empty()) {
    const Value* owner = scope.find(target.name);
    slot = owner != nullptr && owner->is(Kind::kNamespace) ? owner->dict().slot(target.attribute) : nullptr;
  }
  Value total = std::move(operands[0]);
  if (slot != nullptr && slot->is_string() && total.is_string() && &slot->marked() == &total.marked()) *slot = Value();
  if (concat && !total.is_string()) total = runtime_.string(to_text(runtime_, total));
  for (size_t i = 1; i < operands.size(); ++i) {
    const bool texts = total.is_string() && (concat || operands[i].is_string());
    if (!texts) {
      total = binary(runtime_, Operator::kAdd, total, operands[i]);
      continue;
    }
    const MarkedText more = to_text(runtime_, operands[i]);
    operands[i] = Value();
    runtime_.append(total, more);
  }
  assign(target, total, scope);
}

void Evaluator::execute_call_block(const Statement& statement, Scope& scope) {
  const Value callee = evaluate(*statement.expr->operands[0], scope);
  Arguments arguments = evaluate_arguments(statement.expr->call, scope);
  arguments.named.emplace_back("caller", make_macro(statement, "caller", statement.special_names, scope));
  runtime_.append(out_, to_text(runtime_, call(callee, arguments)));
}

void Evaluator::assign(const Target& target, const Value& value, Scope& scope) {
  if (!target.attribute.empty()) {
    const Value* owner = scope.find(target.name);
    if (owner == nullptr || !owner->is(Kind::kNamespace)) {
      fail("cannot assign attribute on non-namespace object '" + target.name + "'");
    }
    owner->dict().set(runtime_.limits, target.attribute, value);
  } else if (target.parts.empty()) {
    scope.set(target.name, value);
  } else {
    const std::vector<Value> values = iterate(runtime_, value);
    if (values.size() != target.parts.size()) {
      fail("unpacking " + std::to_string(values.size()) + " values into " + std::to_string(target.parts.size()) +
           " names");
    }
    for (size_t i = 0; i < values.size(); ++i) assign(target.parts[i], values[i], scope);
  }
}

Value Evaluator::make_macro(const Statement& statement, const std::string& name, SpecialNames names, Scope& scope) {
  scope.pin();
  runtime_.limits.hold(4);
  return Value::object(Kind::kCallable, runtime_.heap.make<Macro>(*this, statement, name, names, scope));
}

// As Jinja's Macro.__call__: a name that is passed both by position and by keyword is one keyword too many.
Value Evaluator::Macro::call(Runtime& runtime, const Arguments& arguments) {
  const std::vector<Parameter>& parameters = statement_.parameters;
  LocalScope local(runtime, scope_);
  Scope& scope = *local;
  std::vector<bool> used(arguments.named.size());
  std::unordered_map<std::string_view, size_t> places;
  for (size_t i = 0; i < used.size(); ++i) places.try_emplace(arguments.named[i].first, i);
  const auto named = [&](const std::string& wanted) -> const Value* {
    const auto found = places.find(wanted);
    if (found == places.end() || used[found->second]) return nullptr;
    used[found->second] = true;
    return &arguments.named[found->second].second;
  };
  const size_t taken = std::min(arguments.positional.size(), parameters.size());
  bool has_caller = false;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const Parameter& parameter = parameters[i];
    const Value* passed = i < taken ? &arguments.positional[i] : named(parameter.name);
    has_caller |= parameter.name == "caller";
    const Value missing = Value::undefined(parameter.name);
    scope.set(parameter.name,
              passed != nullptr ? *passed : evaluator_.evaluate_optional(parameter.fallback, scope, missing));
  }
  if (names_.caller && !has_caller) {
    const Value* caller = named("caller");
    scope.set("caller", caller != nullptr && !caller->is_none() ? *caller : Value::undefined("caller"));
  }
  const Value rest = runtime.dict();
  for (size_t i = 0; i < used.size(); ++i) {
    if (used[i]) continue;
    if (!names_.kwargs) fail("macro '" + name_ + "' takes no keyword argument '" + arguments.named[i].first + "'");
    rest.dict().set(runtime.limits, arguments.named[i].first, arguments.named[i].second);
  }
  if (names_.kwargs) scope.set("kwargs", rest);
  const std::vector<Value> more(arguments.positional.begin() + static_cast<std::ptrdiff_t>(taken),
                                arguments.positional.end());
  if (names_.varargs)
    scope.set("varargs", runtime.tuple(more));
  else if (!more.empty())
    fail("macro '" + name_ + "' takes not more than " + std::to_string(parameters.size()) + " argument(s)");
  Flow flow = Flow::kNext;
  return runtime.string(evaluator_.captured(statement_.body, scope, flow));
}

Value Evaluator::Macro::attribute(Runtime& runtime, const std::string& attribute_name) {
  if (attribute_name == "name") return Value::string(name_);
  if (attribute_name == "caller") return Value::boolean(names_.caller);
  if (attribute_name == "catch_kwargs") return Value::boolean(names_.kwargs);
  if (attribute_name == "catch_varargs") return Value::boolean(names_.varargs);
  if (attribute_name != "arguments") return Value::undefined("macro." + attribute_name);
  std::vector<Value> names;
  for (const Parameter& parameter : statement_.parameters) names.push_back(Value::string(parameter.name));
  return runtime.tuple(std::move(names));
}

Value Evaluator::RecursiveLoop::call(Runtime& runtime, const Arguments& arguments) {
  if (arguments.positional.size() != 1 || !arguments.named.empty()) fail("loop() takes one argument");
  MarkedText outer = std::exchange(evaluator_.out_, {});
  evaluator_.run_loop(statement_, scope_, arguments.positional[0], depth_);
  return runtime.string(std::exchange(evaluator_.out_, std::move(outer)));
}

}  // namespace gptq::chat
