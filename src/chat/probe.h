// Detects the features of a template by rendering short conversations with marker texts.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include <gptq/chat.h>

#include "core/json_fwd.h"

namespace gptq::chat {

struct Trial {
  JsonBox<OrderedJson> messages;
  JsonBox<OrderedJson> tools;      // null: none
  JsonBox<OrderedJson> variables;  // an object
  bool generation_prompt = false;
};

// Renders a trial; nullopt when the template refuses it.
using TryRender = std::function<std::optional<std::string>(const Trial& trial)>;

ChatAbilities probe(const TryRender& render, const std::string& bos_token);

}  // namespace gptq::chat
