// Variables by name, in scopes that see the ones around them.
#pragma once

#include <string>
#include <unordered_map>
#include <utility>

#include "text/template/value.h"

namespace gptq::chat {

// Lives in the heap of the rendering, because macros keep the scope in which they were defined.
class Scope : public Object {
 public:
  explicit Scope(const Scope* parent) : parent_(parent) {}

  const Value* find(const std::string& name) const {
    for (const Scope* scope = this; scope != nullptr; scope = scope->parent_) {
      const auto found = scope->variables_.find(name);
      if (found != scope->variables_.end()) return &found->second;
    }
    return nullptr;
  }

  void set(const std::string& name, Value value) { variables_[name] = std::move(value); }

 private:
  const Scope* parent_;
  std::unordered_map<std::string, Value> variables_;
};

}  // namespace gptq::chat
