// Input text: files, standard input, and typed lines.
#pragma once

#include <string>

namespace gptq::cli {

bool stdin_is_terminal();

// The bytes of a file, or of standard input for "-". Throws Error(kNotFound | kGeneral) naming the path.
std::string read_text(const std::string& path);

// The first that is present: `text` (if `given`), the file, standard input unless it is a terminal. Otherwise throws
// Error(kUsage) explaining how to pass a prompt.
std::string read_prompt(bool given, const std::string& text, const std::string& file);

// Reads a line without echo, after writing `prompt` to standard error. Throws Error(kInterrupted) at Ctrl-C.
std::string read_secret(const std::string& prompt);

// Reads standard input line by line and checks for Ctrl-C between lines.
class LineReader {
 public:
  enum class Outcome { kLine, kEnd, kInterrupted };
  Outcome next(std::string& line);  // without its newline

 private:
  std::string buffer_;
  bool ended_ = false;
};

}  // namespace gptq::cli
