// A compiled template: parsed once, rendered any number of times.
#pragma once

#include <functional>
#include <string>

#include "text/template/ast.h"
#include "text/template/scope.h"

namespace gptq::chat {

// Immutable; safe to share between threads.
class Template {
 public:
  // Throws Error(kVerification) with the line and the reason.
  explicit Template(std::string source);

  // `define` puts the variables into the scope. Throws as ChatTemplate::render does.
  using Define = std::function<void(Runtime& runtime, Scope& variables)>;
  MarkedText render(int64_t clock, const Define& define) const;

  const std::string& source() const { return source_; }

 private:
  std::string source_;
  Body body_;
};

}  // namespace gptq::chat
