// Matching of arguments to parameters, with Python's errors.
#include "chat/jinja/arguments.h"

#include <algorithm>

#include "chat/jinja/operations.h"

namespace gptq::chat {

BoundArguments::BoundArguments(const Arguments& arguments, std::initializer_list<const char*> names,
                               const std::string& function)
    : values_(names.size(), nullptr), names_(names.begin(), names.end()), function_(function) {
  if (arguments.positional.size() > names_.size()) {
    fail(function_ + "() takes at most " + std::to_string(names_.size()) + " arguments, found " +
         std::to_string(arguments.positional.size()));
  }
  for (size_t i = 0; i < arguments.positional.size(); ++i) values_[i] = &arguments.positional[i];
  for (const auto& [name, value] : arguments.named) {
    const auto found = std::find(names_.begin(), names_.end(), std::string_view(name));
    if (found == names_.end()) fail(function_ + "() has no argument named '" + name + "'");
    const Value*& slot = values_[static_cast<size_t>(found - names_.begin())];
    if (slot != nullptr) fail(function_ + "() got the argument '" + name + "' twice");
    slot = &value;
  }
}

const Value& BoundArguments::at(size_t index) const {
  if (values_[index] == nullptr) fail(function_ + "() misses the argument '" + std::string(names_[index]) + "'");
  return *values_[index];
}

bool BoundArguments::flag(size_t index, bool fallback) const { return has(index) ? truth(at(index)) : fallback; }

int64_t BoundArguments::integer(size_t index, int64_t fallback) const {
  return has(index) ? to_index(at(index), "'" + std::string(names_[index]) + "' of " + function_ + "()") : fallback;
}

const MarkedText& BoundArguments::string(size_t index) const {
  const Value& value = at(index);
  if (value.is_undefined()) fail("'" + value.name() + "' is undefined");
  if (!value.is_string()) {
    fail("'" + std::string(names_[index]) + "' of " + function_ + "() must be a string, not " + type_name(value));
  }
  return value.marked();
}

}  // namespace gptq::chat
