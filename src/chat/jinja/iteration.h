// Going through values: of a string its characters, of a dict its keys, of a sequence or iterator its items.
#pragma once

#include <vector>

#include "chat/jinja/value.h"

namespace gptq::chat {

// Can a for loop go through it?
bool is_iterable(const Value& value);

// Starts from the first item; an iterator goes on where it stands. Fails for what is not iterable. The iterator lives
// as long as the rendering and refers to the value's items.
Iterator& start_iteration(Runtime& runtime, const Value& value);

// All items at once. Uses an iterator up.
std::vector<Value> iterate(Runtime& runtime, const Value& value);

// How many items there are when that is known without going through them, else -1.
int64_t known_length(Runtime& runtime, const Value& value);

}  // namespace gptq::chat
