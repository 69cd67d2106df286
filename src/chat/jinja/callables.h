// Callables defined by a template: macros, the body of a call block, and a recursive loop.
#pragma once

#include <string>

#include "chat/jinja/evaluator.h"

namespace gptq::chat {

// Sees the scope in which it was defined, not that of its caller.
class Evaluator::Macro : public Callable {
 public:
  Macro(Evaluator& evaluator, const Statement& statement, std::string name, SpecialNames names, Scope& scope)
      : evaluator_(evaluator), statement_(statement), name_(std::move(name)), names_(names), scope_(scope) {}
  Value call(Runtime& runtime, const Arguments& arguments) override;
  std::string name() const override { return name_; }
  std::string spelling() const override { return name_ == "caller" ? "<Macro anonymous>" : "<Macro '" + name_ + "'>"; }
  Value attribute(Runtime& runtime, const std::string& attribute_name) override;

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
