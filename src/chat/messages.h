// Conversations as JSON: reading them, fitting them to a template, and giving them to it as marked values.
#pragma once

#include <string>
#include <vector>

#include <gptq/chat.h>

#include "chat/jinja/value.h"
#include "core/json_fwd.h"

namespace gptq::chat {

// parse_ordered_json, and Error(kVerification) for integers beyond 64 bits, which would silently become floats.
OrderedJson parse_input(const std::string& text, const std::string& what);

OrderedJson messages_json(const std::vector<Message>& messages);
OrderedJson messages_json(const std::string& text);  // throws Error(kUsage) unless it is a list

// Arguments of tool calls as text or objects, content as parts, a system message's text in front of the first question:
// only where the template does not read what is there.
void adapt(OrderedJson& messages, const ChatAbilities& abilities);

// Everything in a message is marked as input except its keys and its role.
std::vector<Value> message_values(Runtime& runtime, const OrderedJson& messages);

// For continue_final_message: a tag behind the last message's text, and the prompt cut where the tag was printed.
// Both throw Error(kUsage) when there is no such text.
void tag_last_message(Runtime& runtime, std::vector<Value>& messages);
MarkedText cut_at_tag(MarkedText text);

}  // namespace gptq::chat
