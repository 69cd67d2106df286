// Conversations as JSON: parsing, adapting to a template, and conversion to marked values.
#pragma once

#include <string>
#include <vector>

#include <gptq/chat.h>

#include "chat/jinja/value.h"
#include "core/json_fwd.h"

namespace gptq::chat {

// parse_ordered_json, plus Error(kVerification) for integers beyond 64 bits, which would silently become floats.
OrderedJson parse_input(const std::string& text, const std::string& what);

OrderedJson messages_json(const std::vector<Message>& messages);
OrderedJson messages_json(const std::string& text);  // throws Error(kUsage) unless it is a list

// Converts tool call arguments to text or objects, content to parts, and prepends the system message's text to the
// first user message, each only if the template does not support the original form.
void adapt(OrderedJson& messages, const ChatAbilities& abilities);

// Everything in a message is marked as input, except its keys and its role.
std::vector<Value> message_values(Runtime& runtime, const OrderedJson& messages);

// For continue_final_message: append a tag to the last message's text, and cut the prompt where the tag was printed.
// Both throw Error(kUsage) if there is no such text.
void tag_last_message(Runtime& runtime, std::vector<Value>& messages);
MarkedText cut_at_tag(MarkedText text);

}  // namespace gptq::chat
