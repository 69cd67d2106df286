// Runs the gptq program on a pseudo-terminal, with keys as people type them.
#pragma once

#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <map>

#include "tests/cli/process.h"

namespace gptq::testing {

inline constexpr const char* kPasteOn = "\033[?2004h";
inline constexpr const char* kPasteOff = "\033[?2004l";

using Variables = std::map<std::string, std::string>;  // an empty value: not set

class Terminal {
 public:
  explicit Terminal(const std::vector<std::string>& arguments, const Variables& variables = {},
                    unsigned short columns = 80) {
    winsize size = {24, columns, 0, 0};
    pid_ = forkpty(&terminal_, nullptr, nullptr, &size);
    if (pid_ != 0) return;
    setenv("TERM", "xterm-256color", 1);
    unsetenv("NO_COLOR");
    for (const auto& [name, value] : variables) {
      value.empty() ? unsetenv(name.c_str()) : setenv(name.c_str(), value.c_str(), 1);
    }
    std::vector<char*> argv = {const_cast<char*>(GPTQ_BINARY)};
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    execv(GPTQ_BINARY, argv.data());
    _exit(127);
  }
  ~Terminal() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    close(terminal_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void type(const std::string& keys) { (void)!::write(terminal_, keys.data(), keys.size()); }
  void resize(unsigned short columns) {
    winsize size = {24, columns, 0, 0};
    ioctl(terminal_, TIOCSWINSZ, &size);
  }
  void send(int number) { ::kill(pid_, number); }

  // Waits for the text behind what was waited for before; false after a minute. `before`: what came in front of it.
  bool wait_for(const std::string& text, std::string* before = nullptr) {
    for (int i = 0; i < 600; ++i) {
      const size_t at = screen_.find(text, mark_);
      if (at != std::string::npos) {
        if (before != nullptr) *before = screen_.substr(mark_, at - mark_);
        mark_ = at + text.size();
        return true;
      }
      if (!take(100)) break;
    }
    ADD_FAILURE() << "no \"" << text << "\" in:\n" << screen_;
    return false;
  }

  bool prompt(std::string* before = nullptr) { return wait_for(">>>", before); }

  // Enters a line and waits for the next prompt; gives what was shown meanwhile.
  std::string enter(const std::string& keys) {
    std::string line, answer;
    type(keys + "\r");
    wait_for(kPasteOff, &line);  // while the line is edited, the prompt may be drawn again
    prompt(&answer);
    return line + answer;
  }

  bool cooked() const {  // lines are edited by the system and shown, as before the program
    termios settings = {};
    tcgetattr(terminal_, &settings);
    return (settings.c_lflag & ICANON) != 0 && (settings.c_lflag & ECHO) != 0;
  }

  // Waits for the end of the program: its exit code, or minus the signal's number.
  int finish() {
    while (take(60'000)) {
    }
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  const std::string& screen() const { return screen_; }

 private:
  bool take(int milliseconds) {  // false when the program has left
    pollfd input = {terminal_, POLLIN, 0};
    if (poll(&input, 1, milliseconds) <= 0) return milliseconds < 60'000;
    char chunk[4096];
    const ssize_t got = read(terminal_, chunk, sizeof chunk);
    if (got > 0) screen_.append(chunk, static_cast<size_t>(got));
    return got > 0;
  }

  std::string screen_;
  size_t mark_ = 0;
  pid_t pid_ = -1;
  int terminal_ = -1;
};

}  // namespace gptq::testing
