// What was typed in earlier conversations, in a file.
#pragma once

#include <string>
#include <vector>

namespace gptq::cli {

// $XDG_STATE_HOME/gptq/chat_history, else ~/.local/state/gptq/chat_history, readable for its owner alone: one JSON
// string in a line, the newest last. Several programs may add to it at the same time. Nothing here throws: a
// conversation goes on without its history, with a note.
class ChatHistory {
 public:
  // Reads the newest entries, and shortens a file that has more.
  explicit ChatHistory(bool kept);

  const std::vector<std::string>& entries() const { return entries_; }  // oldest first, safe for a terminal
  void add(const std::string& entry);

 private:
  void load();
  void shorten() const;

  std::string path_;  // empty: nothing is kept
  std::vector<std::string> entries_;
};

}  // namespace gptq::cli
