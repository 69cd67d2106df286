// Tests: value is name(arguments).
#pragma once

#include <string>

#include "chat/jinja/value.h"

namespace gptq::chat {

using Test = bool (*)(Runtime& runtime, const Value& value, const Arguments& arguments);

// The test's function, or nullptr when the name is unknown.
Test find_test(const std::string& name);

}  // namespace gptq::chat
