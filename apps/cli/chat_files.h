// Files of a conversation: texts for a message, and saved conversations.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <gptq/chat.h>

namespace gptq::cli {

std::string in_home(const std::string& path);  // expands "~/x"; other paths are unchanged

// The bytes of a regular file; `what` is for errors. Throws Error(kNotFound | kPermission | kVerification | kGeneral)
// naming the path: missing, not a regular file (never waited for), or larger than `max_bytes`.
std::string read_user_file(const std::string& path, const std::string& what, int64_t max_bytes);

// Writes atomically: readers see the old file or the whole new one, readable by the owner only. Throws Error(kUsage)
// when the path exists and must not be replaced, and Error(kPermission | kGeneral) with the system's reason.
void write_user_file(const std::string& path, const std::string& text, bool replace);

// A text file for a message, without its byte order mark. Throws as above, and Error(kVerification) when it
// is not UTF-8.
std::string read_message_text(const std::string& path);

// A JSON list of messages, as for gptq template --messages, or an object with such a list as "messages". Throws
// Error(kVerification) naming the malformed message.
std::vector<Message> read_messages(const std::string& path);
std::string messages_to_json(const std::vector<Message>& messages);

}  // namespace gptq::cli
