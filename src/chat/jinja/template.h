// A compiled template: parsed once, rendered any number of times.
#pragma once

#include <functional>
#include <string>

#include "chat/jinja/ast.h"
#include "chat/jinja/scope.h"

namespace gptq::chat {

// Immutable; safe to share between threads.
class Template {
 public:
  // Throws Error(kVerification) with the line, the column and the reason. `origin` is the file it came from, for
  // errors, or empty.
  explicit Template(const std::string& source, const std::string& origin = "");

  // `define` puts the variables into the scope. Throws as ChatTemplate::render does.
  using Define = std::function<void(Runtime& runtime, Scope& variables)>;
  MarkedText render(int64_t clock, const Define& define, const Bounds& bounds = {}) const;

 private:
  std::string name_;  // "the chat template", and of which file
  Body body_;
};

}  // namespace gptq::chat
