// Members of values: methods of strings, dicts and lists, attributes of loops and namespaces.
#pragma once

#include <string>

#include "chat/jinja/value.h"

namespace gptq::chat {

// object.name: a method or attribute first, then a key. Undefined if absent, and for methods that would modify a list
// or dict: templates run in an immutable sandbox. Fails for an undefined object.
Value attribute(Runtime& runtime, const Value& object, const std::string& name);

// object[key]: a key first, then, for strings, a method or attribute.
Value subscript(Runtime& runtime, const Value& object, const Value& key);

// A path like "function.name" or "0.id", as in the attribute argument of filters. `fallback` replaces undefined parts.
Value attribute_path(Runtime& runtime, const Value& object, const Value& path, const Value* fallback = nullptr);

// The method of strings with that name, or nullptr.
Native string_method(const std::string& name);

}  // namespace gptq::chat
