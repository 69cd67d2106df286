// The input history of conversations, in a file.
#pragma once

#include <string>
#include <vector>

namespace gptq::cli {

// $XDG_STATE_HOME/gptq/chat_history, else ~/.local/state/gptq/chat_history, readable by the owner only: one JSON string
// per line, the newest last. Several programs may append at the same time. Nothing here throws: without its history a
// conversation continues, with a note.
class ChatHistory {
 public:
  // Reads the newest entries, and shortens a file that has more.
  explicit ChatHistory(bool kept);

  const std::vector<std::string>& entries() const { return entries_; }  // oldest first, safe for a terminal
  void add(const std::string& entry);

 private:
  void load();
  void shorten() const;

  std::string path_;  // "": history is off
  std::vector<std::string> entries_;
};

}  // namespace gptq::cli
