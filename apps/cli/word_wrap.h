// Text that arrives in pieces, with line breaks between words where the terminal's lines end.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gptq::cli {

// Columns on a terminal: 2 for wide characters, 0 for combining ones.
size_t columns_of(std::string_view text);

// Columns of the terminal that standard output is; 80 when it does not say.
size_t terminal_columns();

// The result does not depend on how the text is cut into pieces (of whole characters). Left as they are: lines of code
// between fences (``` or ~~~), rows of tables, and words that are longer than a line. Lines that go on begin below the
// text of the line in Markdown's lists. What would steer a terminal is replaced (sanitize_for_terminal).
class WordWrap {
 public:
  // What can be shown now: all but the last word. `width` may change between calls.
  std::string push(std::string_view text, size_t width);
  std::string finish();  // the rest

 private:
  // A line of the source, as far as it has come.
  struct Line {
    std::string gap, word;    // held back: spaces, then a word behind them
    size_t word_columns = 0;
    size_t column = 0;        // behind what was shown
    size_t indent = 0;        // of the lines that it goes on with
    bool fresh = true;        // no word was shown
    bool whole = false;       // it is left as it is
    bool marker = false;      // it began with a list's marker: the next word's column is the indent
    bool wide = false;        // the held word ends with a wide character,
    bool joined = false;      // with a zero width joiner
    bool released = false;    // the word is longer than a line and shown as it comes
  };

  void add(std::string_view character);
  void end_word();
  void begin_line();  // at its first word

  std::string out_;
  std::string fence_;  // that opened the code we are in, or empty
  size_t width_ = 0;
  Line line_;
};

}  // namespace gptq::cli
