// Iteration over values: the characters of a string, the keys of a dict, the items of a sequence or iterator.
#pragma once

#include <vector>

#include "chat/jinja/value.h"

namespace gptq::chat {

// True if a for loop can iterate over it.
bool is_iterable(const Value& value);

// Starts at the first item; an iterator continues at its position. Fails for values that are not iterable. The iterator
// is valid until the rendering ends and refers to the value's items.
Iterator& start_iteration(Runtime& runtime, const Value& value);

// All items at once. Exhausts an iterator.
std::vector<Value> iterate(Runtime& runtime, const Value& value);

// The number of items if it is known without iterating, else -1.
int64_t known_length(Runtime& runtime, const Value& value);

}  // namespace gptq::chat
