// Word wrap of streamed text at the terminal's width.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gptq::cli {

// Columns on a terminal: 2 for wide characters, 0 for combining ones.
size_t columns_of(std::string_view text);

// Columns of the terminal on standard output; 80 when unknown.
size_t terminal_columns();

// The result does not depend on how the text is split into pieces (of whole characters). Unchanged: lines of code
// between fences (``` or ~~~), rows of tables, and words longer than a line. In Markdown lists, continuation lines are
// indented to the text. Control sequences are replaced (sanitize_for_terminal).
class WordWrap {
 public:
  // The text that can be printed now: all but the last word. `width` may change between calls.
  std::string push(std::string_view text, size_t width);
  std::string finish();  // the rest

 private:
  // The current line of the source so far.
  struct Line {
    std::string gap, word;  // held back: spaces, then a word after them
    size_t word_columns = 0;
    size_t column = 0;      // columns printed
    size_t indent = 0;      // of continuation lines
    bool fresh = true;      // no word was printed
    bool whole = false;     // left unchanged
    bool marker = false;    // began with a list marker: the next word's column is the indent
    bool wide = false;      // the held word ends with a wide character,
    bool joined = false;    // with a zero width joiner
    bool released = false;  // the word is longer than a line and printed as it arrives
  };

  void add(std::string_view character);
  void end_word();
  void begin_line();  // at its first word

  std::string out_;
  std::string fence_;  // fence that opened the current code block, or ""
  size_t width_ = 0;
  Line line_;
};

}  // namespace gptq::cli
