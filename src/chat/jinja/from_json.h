// JSON documents as template values.
#pragma once

#include <string_view>

#include "chat/jinja/value.h"
#include "core/json_fwd.h"

namespace gptq::chat {

// With `marked`, every string that is not a key is marked as input.
Value from_json(Runtime& runtime, const OrderedJson& json, bool marked);

}  // namespace gptq::chat
