// Variables by name, in nested scopes.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "chat/jinja/value.h"

namespace gptq::chat {

class Scope : public Object {
 public:
  explicit Scope(const Scope* parent) : parent_(parent) {}

  // A callable refers to this scope: it and its parents must be kept until the rendering ends.
  void pin() const {
    for (const Scope* scope = this; scope != nullptr && !scope->pinned_; scope = scope->parent_) scope->pinned_ = true;
  }
  bool pinned() const { return pinned_; }

  const Value* find(const std::string& name) const {
    for (const Scope* scope = this; scope != nullptr; scope = scope->parent_) {
      const auto found = scope->variables_.find(name);
      if (found != scope->variables_.end()) return &found->second;
    }
    return nullptr;
  }

  // The variable of this scope, without its parents; nullptr if there is none.
  Value* own(const std::string& name) {
    const auto found = variables_.find(name);
    return found == variables_.end() ? nullptr : &found->second;
  }

  void set(const std::string& name, Value value) { variables_[name] = std::move(value); }

 private:
  const Scope* parent_;
  mutable bool pinned_ = false;
  std::unordered_map<std::string, Value> variables_;
};

// The scope of one block, loop iteration or call; destroyed at its end unless it was pinned.
class LocalScope {
 public:
  LocalScope(Runtime& runtime, const Scope& parent) : runtime_(runtime), scope_(std::make_unique<Scope>(&parent)) {}
  LocalScope(const LocalScope&) = delete;
  LocalScope& operator=(const LocalScope&) = delete;
  ~LocalScope() {
    if (scope_->pinned()) runtime_.heap.own(std::move(scope_));
  }
  Scope& operator*() { return *scope_; }

 private:
  Runtime& runtime_;
  std::unique_ptr<Scope> scope_;
};

}  // namespace gptq::chat
