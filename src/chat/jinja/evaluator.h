// Evaluates the syntax tree of a template and writes its output.
#pragma once

#include <string>

#include "chat/jinja/ast.h"
#include "chat/jinja/scope.h"

namespace gptq::chat {

// One rendering of one template. Not thread-safe; the tree may be shared.
class Evaluator {
 public:
  // `globals` is the outermost scope. All three must outlive the evaluator.
  Evaluator(Runtime& runtime, const Scope& globals) : runtime_(runtime), globals_(globals) {}

  // Throws TemplateFailure, or RaisedByTemplate (globals.h); place() is then its location.
  MarkedText run(const Body& body, Scope& scope);
  const Place& place() const { return place_; }

 private:
  enum class Flow { kNext, kBreak, kContinue };
  class Macro;
  class RecursiveLoop;
  class FilteredItems;

  Flow execute(const Body& body, Scope& scope);
  Flow execute(const Statement& statement, Scope& scope);
  Flow execute_if(const Statement& statement, Scope& scope);
  void execute_for(const Statement& statement, Scope& scope);
  void run_loop(const Statement& statement, Scope& scope, const Value& items, int depth);
  void execute_append(const Statement& statement, Scope& scope);
  Flow execute_set_block(const Statement& statement, Scope& scope);
  Flow execute_filter_block(const Statement& statement, Scope& scope);
  void execute_call_block(const Statement& statement, Scope& scope);
  // The output of the body, in a separate scope. Leaving a loop from inside discards it.
  MarkedText captured(const Body& body, Scope& scope, Flow& flow);
  Value filtered(const Expr& filters, const Value& value, Scope& scope);
  void assign(const Target& target, const Value& value, Scope& scope);

  Value evaluate(const Expr& expr, Scope& scope);
  Value evaluate_optional(const ExprPtr& expr, Scope& scope, const Value& fallback);
  Value evaluate_slice(const Expr& expr, Scope& scope);
  Value evaluate_compare(const Expr& expr, Scope& scope);
  Value evaluate_dict(const Expr& expr, Scope& scope);
  Value evaluate_concat(const Expr& expr, Scope& scope);
  Value evaluate_filter(const Expr& expr, Scope& scope);
  bool holds(Comparison comparison, const Value& left, const Value& right);
  bool evaluate_test(const Expr& expr, Scope& scope);
  std::vector<Value> evaluate_all(const std::vector<ExprPtr>& exprs, Scope& scope);
  Arguments evaluate_arguments(const CallArguments& call, Scope& scope);
  Value call(const Value& callee, const Arguments& arguments);
  Value make_macro(const Statement& statement, const std::string& name, SpecialNames names, Scope& scope);

  Runtime& runtime_;
  const Scope& globals_;
  MarkedText out_;
  Value block_value_;  // the input of a filter block
  Scope* root_ = nullptr;
  Place place_;
};

}  // namespace gptq::chat
