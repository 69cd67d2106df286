// Statements of a template, one function for each kind that is more than a line.
#include "text/template/evaluator.h"

#include <algorithm>
#include <utility>

#include "text/template/callables.h"
#include "text/template/filters.h"
#include "text/template/operations.h"
#include "text/template/printing.h"

namespace gptq::chat {

MarkedText Evaluator::run(const Body& body, Scope& scope) {
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
  runtime_.limits.enter();
  line_ = statement.line;
  Flow flow = Flow::kNext;
  switch (statement.kind) {
    case StatementKind::kText: runtime_.append(out_, statement.text); break;
    case StatementKind::kPrint: runtime_.append(out_, to_text(runtime_, evaluate(*statement.expr, scope))); break;
    case StatementKind::kIf: flow = execute_if(statement, scope); break;
    case StatementKind::kFor: execute_for(statement, scope); break;
    case StatementKind::kSet: assign(statement.target, evaluate(*statement.expr, scope), scope); break;
    case StatementKind::kSetBlock: execute_set_block(statement, scope); break;
    case StatementKind::kMacro:
      scope.set(statement.name, make_macro(statement, statement.name, statement.special_names, scope));
      break;
    case StatementKind::kCallBlock: execute_call_block(statement, scope); break;
    case StatementKind::kFilterBlock: {
      const Value filtered = runtime_.string(captured(statement.body, scope));
      const Value outer = std::exchange(block_value_, filtered);
      const Value result = evaluate(*statement.expr, scope);
      block_value_ = outer;
      runtime_.append(out_, to_text(runtime_, result));
      break;
    }
    case StatementKind::kScope: {
      LocalScope inner(runtime_, scope);
      for (const auto& [target, expr] : statement.assignments) assign(target, evaluate(*expr, scope), *inner);
      flow = execute(statement.body, *inner);
      break;
    }
    case StatementKind::kBreak: flow = Flow::kBreak; break;
    case StatementKind::kContinue: flow = Flow::kContinue; break;
  }
  runtime_.limits.leave();
  return flow;
}

Evaluator::Flow Evaluator::execute_if(const Statement& statement, Scope& scope) {
  for (const auto& [condition, body] : statement.branches) {
    if (!condition || truth(evaluate(*condition, scope))) return execute(body, scope);
  }
  return Flow::kNext;
}

void Evaluator::execute_for(const Statement& statement, Scope& scope) {
  run_loop(statement, scope, iterate(runtime_, evaluate(*statement.expr, scope)), 1);
}

void Evaluator::run_loop(const Statement& statement, Scope& scope, const std::vector<Value>& all, int depth) {
  runtime_.limits.hold(2);
  auto* loop = runtime_.heap.make<LoopObject>();
  for (const Value& item : all) {
    if (statement.condition) {
      LocalScope inner(runtime_, scope);
      assign(statement.target, item, *inner);
      if (!truth(evaluate(*statement.condition, *inner))) continue;
    }
    loop->items.push_back(item);
  }
  loop->count = loop->items.size();
  loop->depth = depth;
  if (statement.recursive) {
    scope.pin();
    loop->recurse = runtime_.heap.make<RecursiveLoop>(*this, statement, scope, depth + 1);
  }
  for (; loop->index < loop->count; ++loop->index) {
    LocalScope inner(runtime_, scope);
    assign(statement.target, loop->items[loop->index], *inner);
    (*inner).set("loop", Value::object(Kind::kLoop, loop));
    if (execute(statement.body, *inner) == Flow::kBreak) break;
  }
  loop->items.clear();
  if (loop->count > 0) return;
  LocalScope otherwise(runtime_, scope);
  execute(statement.orelse, *otherwise);
}

MarkedText Evaluator::captured(const Body& body, Scope& scope) {
  MarkedText outer = std::exchange(out_, {});
  LocalScope inner(runtime_, scope);
  execute(body, *inner);
  return std::exchange(out_, std::move(outer));
}

void Evaluator::execute_set_block(const Statement& statement, Scope& scope) {
  Value value = runtime_.string(captured(statement.body, scope));
  if (statement.expr) {
    const Value outer = std::exchange(block_value_, value);
    value = evaluate(*statement.expr, scope);
    block_value_ = outer;
  }
  assign(statement.target, value, scope);
}

void Evaluator::execute_call_block(const Statement& statement, Scope& scope) {
  const Value callee = evaluate(*statement.expr->operands[0], scope);
  Arguments arguments = evaluate_arguments(statement.expr->call, scope);
  arguments.named.emplace_back("caller", make_macro(statement, "caller", {}, scope));
  runtime_.append(out_, to_text(runtime_, call(callee, arguments)));
}

void Evaluator::assign(const Target& target, const Value& value, Scope& scope) {
  if (!target.attribute.empty()) {
    const Value* owner = scope.find(target.name);
    if (owner == nullptr || !owner->is(Kind::kNamespace)) {
      fail("cannot assign attribute on non-namespace object '" + target.name + "'");
    }
    owner->dict().set(Value::string(target.attribute), value);
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

// Parameters are filled from left to right; a default may use the parameters before it.
Value Evaluator::Macro::call(Runtime& runtime, const Arguments& arguments) {
  const std::vector<Parameter>& parameters = statement_.parameters;
  LocalScope local(runtime, scope_);
  Scope& scope = *local;
  std::vector<bool> used(arguments.named.size());
  const auto named = [&](const std::string& wanted) -> const Value* {
    for (size_t i = 0; i < used.size(); ++i) {
      if (arguments.named[i].first != wanted) continue;
      used[i] = true;
      return &arguments.named[i].second;
    }
    return nullptr;
  };
  for (size_t i = 0; i < parameters.size(); ++i) {
    const Parameter& parameter = parameters[i];
    const Value* passed = named(parameter.name);
    if (i < arguments.positional.size()) {
      if (passed != nullptr) fail("macro '" + name_ + "' got the argument '" + parameter.name + "' twice");
      passed = &arguments.positional[i];
    }
    const Value undefined = Value::undefined(parameter.name);
    scope.set(parameter.name,
              passed != nullptr ? *passed : evaluator_.evaluate_optional(parameter.fallback, scope, undefined));
  }
  if (names_.caller) {
    const Value* caller = named("caller");
    scope.set("caller", caller != nullptr ? *caller : Value::undefined("caller"));
  }
  const Value rest = runtime.dict();
  for (size_t i = 0; i < used.size(); ++i) {
    if (used[i]) continue;
    if (!names_.kwargs) fail("macro '" + name_ + "' takes no keyword argument '" + arguments.named[i].first + "'");
    rest.dict().set(Value::string(arguments.named[i].first), arguments.named[i].second);
  }
  if (names_.kwargs) scope.set("kwargs", rest);
  const size_t taken = std::min(arguments.positional.size(), parameters.size());
  const std::vector<Value> more(arguments.positional.begin() + static_cast<std::ptrdiff_t>(taken),
                                arguments.positional.end());
  if (names_.varargs)
    scope.set("varargs", runtime.tuple(more));
  else if (!more.empty())
    fail("macro '" + name_ + "' takes not more than " + std::to_string(parameters.size()) + " argument(s)");
  return runtime.string(evaluator_.captured(statement_.body, scope));
}

Value Evaluator::RecursiveLoop::call(Runtime& runtime, const Arguments& arguments) {
  if (arguments.positional.size() != 1 || !arguments.named.empty()) fail("loop() takes one argument");
  MarkedText outer = std::exchange(evaluator_.out_, {});
  evaluator_.run_loop(statement_, scope_, iterate(runtime, arguments.positional[0]), depth_);
  return runtime.string(std::exchange(evaluator_.out_, std::move(outer)));
}

}  // namespace gptq::chat
