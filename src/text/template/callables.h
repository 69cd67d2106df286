// What a template defines and then calls: macros, the body of a call block, and a recursive loop.
#pragma once

#include <string>

#include "text/template/evaluator.h"

namespace gptq::chat {

// Sees the scope in which it was defined, not that of its caller.
class Evaluator::Macro : public Callable {
 public:
  Macro(Evaluator& evaluator, const Statement& statement, std::string name, SpecialNames names, Scope& scope)
      : evaluator_(evaluator), statement_(statement), name_(std::move(name)), names_(names), scope_(scope) {}
  Value call(Runtime& runtime, const Arguments& arguments) override;
  std::string name() const override { return name_; }
  Value attribute(Runtime&, const std::string& attribute_name) override {
    return attribute_name == "name" ? Value::string(name_) : Value::undefined("macro." + attribute_name);
  }

 private:
  Evaluator& evaluator_;
  const Statement& statement_;
  std::string name_;
  SpecialNames names_;
  Scope& scope_;
};

// loop(items) inside a recursive for: the loop once more, one level deeper.
class Evaluator::RecursiveLoop : public Callable {
 public:
  RecursiveLoop(Evaluator& evaluator, const Statement& statement, Scope& scope, int depth)
      : evaluator_(evaluator), statement_(statement), scope_(scope), depth_(depth) {}
  Value call(Runtime& runtime, const Arguments& arguments) override;
  std::string name() const override { return "loop"; }

 private:
  Evaluator& evaluator_;
  const Statement& statement_;
  Scope& scope_;
  int depth_;
};

}  // namespace gptq::chat
