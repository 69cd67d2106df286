// Python's operations on values: truth, equality, order, arithmetic, membership and subscripts.
#pragma once

#include <compare>
#include <string>
#include <vector>

#include "chat/jinja/value.h"

namespace gptq::chat {

enum class Operator { kAdd, kSubtract, kMultiply, kDivide, kFloorDivide, kModulo, kPower };

// Everything here fails (TemplateFailure) where Python would raise. Integers have 64 bits: a result that does not fit
// is a failure too.
bool truth(const Value& value);
bool equal(Runtime& runtime, const Value& left, const Value& right);
std::partial_ordering compare(Runtime& runtime, const Value& left,
                              const Value& right);  // fails for types without order
bool contains(Runtime& runtime, const Value& container, const Value& item);
Value binary(Runtime& runtime, Operator operation, const Value& left, const Value& right);
Value negative(const Value& value);
Value positive(const Value& value);
size_t length(Runtime& runtime, const Value& value);

// container[key]; undefined for an absent key. Attributes are looked up by members.h.
Value item(Runtime& runtime, const Value& container, const Value& key);
Value slice(Runtime& runtime, const Value& sequence, const Value& start, const Value& stop, const Value& step);

int64_t to_index(const Value& value, const std::string& what);  // an integer, or a failure naming `what`
MarkedText substring(const MarkedText& text, size_t begin, size_t end);

// Where the character number `index` of `text` begins; its end when there are fewer.
size_t char_offset(Runtime& runtime, const std::string& text, size_t index);

// Python's rules for the bounds of a slice with step 1, here of `size` items: clamped, negative ones count
// from the end.
int64_t slice_bound(const Value& value, int64_t size, int64_t fallback);

[[noreturn]] void fail_undefined(const Value& value);  // "'x' is undefined"

}  // namespace gptq::chat
