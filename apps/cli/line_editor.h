// A line typed at a terminal, edited with libedit: history, completion, pastes of several lines.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "input.h"

namespace gptq::cli {

// What may stand instead of the text from byte `begin` to the cursor.
struct Completions {
  size_t begin = 0;
  std::vector<std::string> candidates;
};

// Prompts and lines go to standard error, as every dialogue does. Between two lines the terminal has its usual settings;
// a signal that ends or stops the program gives them back, too.
class LineEditor {
 public:
  using Completer = std::function<Completions(const std::string& before_cursor)>;

  // Standard input and standard error are a terminal that can move its cursor, and the system has a UTF-8 locale.
  static bool usable();

  LineEditor(bool colour, Completer completer);  // one at a time
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  // The text of a line, UTF-8; a paste of several lines is part of it, and of a long one a label is shown. kInterrupted: Ctrl-C, with what had been typed.
  // kEnd: Ctrl-D on an empty line, or the terminal is gone. Throws Error(kInterrupted) at SIGTERM, SIGHUP and SIGQUIT.
  LineReader::Outcome read(const std::string& prompt, std::string& line);

  void remember(const std::string& text);  // for the arrow keys and Ctrl-R

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gptq::cli
