// What Python does with values: truth, equality, order, arithmetic, membership, subscripts and iteration.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "text/template/value.h"

namespace gptq::chat {

// Everything here fails (TemplateFailure) where Python would raise.
bool truth(const Value& value);
bool equal(Runtime& runtime, const Value& left, const Value& right);
int compare(Runtime& runtime, const Value& left, const Value& right);  // <0, 0, >0; fails for types without order
bool contains(Runtime& runtime, const Value& container, const Value& item);
Value binary(Runtime& runtime, const std::string& operation, const Value& left, const Value& right);
Value negative(const Value& value);
size_t length(const Value& value);

// The items that a for loop or list() would see: of a string its characters, of a dict its keys.
std::vector<Value> iterate(Runtime& runtime, const Value& value);

// container[key]; an absent key gives undefined. Attributes are looked up by members.h.
Value item(Runtime& runtime, const Value& container, const Value& key);
Value slice(Runtime& runtime, const Value& sequence, const Value& start, const Value& stop, const Value& step);

int64_t to_index(const Value& value, const std::string& what);  // an integer, or a failure naming `what`
MarkedText substring(const MarkedText& text, size_t begin, size_t end);
std::vector<size_t> char_starts(const std::string& text);  // byte offsets of all characters, and the end

}  // namespace gptq::chat
