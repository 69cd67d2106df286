// A compiled template: parsed once, rendered any number of times.
#pragma once

#include <functional>
#include <string>

#include "chat/jinja/ast.h"
#include "chat/jinja/scope.h"

namespace gptq::chat {

// Immutable and thread-safe.
class Template {
 public:
  // Throws Error(kVerification) with line, column and reason. `origin` is the file of the source, for errors, or "".
  explicit Template(const std::string& source, const std::string& origin = "");

  // `define` sets the variables of the scope. Throws as ChatTemplate::render does.
  using Define = std::function<void(Runtime& runtime, Scope& variables)>;
  MarkedText render(int64_t clock, const Define& define, const Bounds& bounds = {}) const;

 private:
  std::string name_;  // "the chat template", with its file
  Body body_;
};

}  // namespace gptq::chat
