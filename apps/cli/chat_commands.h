// What a line that begins with / does in a conversation.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "conversation.h"
#include "line_editor.h"
#include "sampling.h"

namespace gptq::cli {

// Between the questions.
struct ChatState {
  std::string model;  // as it was named
  Conversation conversation;
  SamplingFlags sampling;
  std::string attachment = {};  // goes in front of the next question
  std::string saved_as = {};    // the file that holds the conversation, which /save may replace
};

enum class ChatAction { kGoOn, kRetry, kLeave };

// Says on standard error what it did. Throws Error for what cannot be done; the conversation is then as it was.
ChatAction run_chat_command(ChatState& state, const std::string& line);

// Commands, parameters and names of files that may stand in front of the cursor.
Completions complete_chat_command(const std::string& before_cursor);

}  // namespace gptq::cli
