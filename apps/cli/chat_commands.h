// Commands of a conversation: lines that begin with /.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "conversation.h"
#include "line_editor.h"
#include "sampling.h"

namespace gptq::cli {

// State between questions.
struct ChatState {
  std::string model;  // as given on the command line
  Conversation conversation;
  SamplingFlags sampling;
  std::string attachment = {};  // prepended to the next question
  std::string saved_as = {};    // the file of this conversation, which /save may replace
};

enum class ChatAction { kGoOn, kRetry, kLeave };

// Reports on standard error what was done. Throws Error when the command fails; the conversation is then unchanged.
ChatAction run_chat_command(ChatState& state, const std::string& line);

// Commands, parameters and file names that match the text before the cursor.
Completions complete_chat_command(const std::string& before_cursor);

}  // namespace gptq::cli
