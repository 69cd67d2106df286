// Files that are named in a conversation: texts for a message, and saved conversations.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <gptq/chat.h>

namespace gptq::cli {

std::string in_home(const std::string& path);  // "~/x" in the user's home folder, others as they are

// The bytes of a regular file, `what` for errors. Throws Error(kNotFound | kPermission | kVerification | kGeneral)
// naming the path: it is not there, something else than a file (never waited for), or larger than `max_bytes`.
std::string read_user_file(const std::string& path, const std::string& what, int64_t max_bytes);

// Readers see the old file, if there was one, or the whole new one, which its owner alone may read. Throws Error(kUsage)
// when the path exists and may not be replaced, and Error(kPermission | kGeneral) with the system's reason.
void write_user_file(const std::string& path, const std::string& text, bool replace);

// A text file for a message, without a byte order mark. Throws as above, and Error(kVerification) when it is not UTF-8.
std::string read_message_text(const std::string& path);

// A JSON list of messages, as gptq template --messages takes it. Reading also takes an object with such a list as
// "messages", and throws Error(kVerification) naming the message that is not one.
std::vector<Message> read_messages(const std::string& path);
std::string messages_to_json(const std::vector<Message>& messages);

}  // namespace gptq::cli
