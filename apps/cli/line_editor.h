// Line editing on a terminal with libedit: history, completion, multi-line pastes.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "input.h"

namespace gptq::cli {

// Replacements of the text from byte `begin` to the cursor.
struct Completions {
  size_t begin = 0;
  std::vector<std::string> candidates;
};

// Prompts and lines are written to standard error. Between two lines the terminal has its usual settings; a signal that
// ends or stops the program restores them too.
class LineEditor {
 public:
  using Completer = std::function<Completions(const std::string& before_cursor)>;

  // True if standard input and standard error are a terminal with cursor movement and the locale is UTF-8.
  static bool usable();

  LineEditor(bool colour, Completer completer);  // one object at a time
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  // The text of a line, UTF-8; multi-line pastes are part of it, long ones are shown as a label. kInterrupted: Ctrl-C,
  // with the text typed so far. kEnd: Ctrl-D on an empty line, or the terminal is gone. Throws Error(kInterrupted) at
  // SIGTERM, SIGHUP and SIGQUIT.
  LineReader::Outcome read(const std::string& prompt, std::string& line);

  void remember(const std::string& text);  // for the arrow keys and Ctrl-R

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gptq::cli
