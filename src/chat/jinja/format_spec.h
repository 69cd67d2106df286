// Python's format(value, spec): the format specification after the colon of "{:>8.3f}".
#pragma once

#include "chat/jinja/value.h"

namespace gptq::chat {

// Fails for a specification that the value's type does not have.
MarkedText format_value(Runtime& runtime, const Value& value, const MarkedText& spec);

}  // namespace gptq::chat
