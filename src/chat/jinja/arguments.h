// Arguments of a call matched to the names of parameters.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "chat/jinja/value.h"

namespace gptq::chat {

// Positional arguments first, then named ones, each at most once. Fails for unknown names and for too many.
class BoundArguments {
 public:
  BoundArguments(const Arguments& arguments, std::initializer_list<const char*> names, const std::string& function);

  bool has(size_t index) const { return values_[index] != nullptr; }
  const Value& at(size_t index) const;  // fails when the argument is missing
  const Value& get(size_t index, const Value& fallback) const { return has(index) ? *values_[index] : fallback; }
  bool flag(size_t index, bool fallback) const;  // by truth
  int64_t integer(size_t index, int64_t fallback) const;
  const MarkedText& string(size_t index) const;  // fails unless it is a string
  bool is_none_or_missing(size_t index) const { return !has(index) || at(index).is_none(); }

 private:
  std::vector<const Value*> values_;
  std::vector<std::string_view> names_;
  std::string function_;
};

}  // namespace gptq::chat
