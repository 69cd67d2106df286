// Input text: files, standard input, and typed lines.
#include "input.h"

#include <fmt/format.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include <gptq/gptq.h>

#include "streams.h"

namespace gptq::cli {

namespace {

constexpr size_t kChunk = 1 << 16;
constexpr size_t kMaxText = size_t{1} << 30;  // a device never ends

Error failure(const std::string& path) {
  const ErrorKind kind = errno == ENOENT || errno == ENOTDIR ? ErrorKind::kNotFound
                         : errno == EACCES                   ? ErrorKind::kPermission
                                                             : ErrorKind::kGeneral;
  return Error(kind, fmt::format("cannot read {}: {}", path, std::strerror(errno)));
}

}  // namespace

bool stdin_is_terminal() { return isatty(STDIN_FILENO) == 1; }

std::string read_text(const std::string& path) {
  const std::string name = path == "-" ? "standard input" : path;
  std::unique_ptr<FILE, int (*)(FILE*)> opened(path == "-" ? nullptr : std::fopen(path.c_str(), "rb"), std::fclose);
  FILE* file = path == "-" ? stdin : opened.get();
  if (file == nullptr) throw failure(name);
  std::string text;
  for (size_t used = 0;;) {
    text.resize(used + kChunk);
    const size_t got = std::fread(text.data() + used, 1, kChunk, file);
    used += got;
    if (used > kMaxText) {
      throw Error(ErrorKind::kVerification,
                  fmt::format("reading {}: it has more than {} MiB, expected text", name, kMaxText >> 20));
    }
    if (got == kChunk) continue;
    if (std::ferror(file)) throw failure(name);
    text.resize(used);
    return text;
  }
}

std::string read_prompt(bool given, const std::string& text, const std::string& file) {
  if (given && !file.empty()) throw Error(ErrorKind::kUsage, "give the text either with -p or with -f, not both");
  if (given) return text;
  if (!file.empty()) return read_text(file);
  if (!stdin_is_terminal()) return read_text("-");
  throw Error(ErrorKind::kUsage, "no text given: pass it with -p TEXT, with -f FILE, or through a pipe");
}

namespace {

// Sets the terminal to pass each key on at once, without echo and without signals, so that its settings
// are always restored.
class SilentTerminal {
 public:
  SilentTerminal() {
    if (tcgetattr(STDIN_FILENO, &before_) != 0) throw failure("the terminal");
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON | ISIG);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  }
  ~SilentTerminal() { tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_); }
  SilentTerminal(const SilentTerminal&) = delete;
  SilentTerminal& operator=(const SilentTerminal&) = delete;

 private:
  termios before_;
};

constexpr char kCtrlC = 3, kCtrlD = 4, kBackspace = 8, kCtrlU = 21, kDelete = 127;

}  // namespace

std::string read_secret(const std::string& prompt) {
  std::string line;
  const SilentTerminal terminal;
  put_error(prompt);
  for (;;) {
    char key = 0;
    const ssize_t got = read(STDIN_FILENO, &key, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || key == '\n' || key == '\r' || key == kCtrlD || key == kCtrlC) {
      put_error("\n");
      if (key == kCtrlC) throw Error(ErrorKind::kInterrupted, "interrupted");
      return line;
    }
    if (key == kBackspace || key == kDelete) {
      if (!line.empty()) line.pop_back();
    } else if (key == kCtrlU) {
      line.clear();
    } else {
      line += key;
    }
  }
}

LineReader::Outcome LineReader::next(std::string& line) {
  for (;;) {
    const size_t newline = buffer_.find('\n');
    if (newline != std::string::npos || (ended_ && !buffer_.empty())) {
      line = buffer_.substr(0, newline);
      buffer_.erase(0, newline == std::string::npos ? newline : newline + 1);
      return Outcome::kLine;
    }
    if (ended_) return Outcome::kEnd;
    // poll() returns at a signal even where read() would be restarted.
    pollfd input{STDIN_FILENO, POLLIN, 0};
    if (poll(&input, 1, -1) < 0) {
      if (errno != EINTR) throw failure("standard input");
      buffer_.clear();
      return Outcome::kInterrupted;
    }
    char chunk[4096];
    const ssize_t got = read(STDIN_FILENO, chunk, sizeof chunk);
    if (got < 0) throw failure("standard input");
    if (got == 0) ended_ = true;
    buffer_.append(chunk, static_cast<size_t>(got));
  }
}

}  // namespace gptq::cli
