// Runs the gptq program as people do: arguments, standard input, signals; output collected in files.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/temp_folder.h"

namespace gptq::testing {

namespace fs = std::filesystem;

inline const std::string kDemo = std::string(GPTQ_SOURCE_DIR) + "/models/demo";

inline bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

inline std::string read_whole(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

inline void write_whole(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

// Gives paths as strings, as arguments of a program are.
class Scratch : public TempFolder {
 public:
  std::string operator/(const std::string& name) const { return (path() / name).string(); }
};

struct Outcome {
  int code = 0;  // minus the signal's number when one ended the program
  std::string out, err;
};

class Process {
 public:
  enum class Stdout { kFile, kClosedPipe };

  explicit Process(const std::vector<std::string>& arguments, Stdout out = Stdout::kFile) {
    int input[2], output[2] = {-1, -1};
    EXPECT_EQ(pipe2(input, O_CLOEXEC), 0);
    EXPECT_EQ(pipe2(output, O_CLOEXEC), 0);
    close(output[0]);  // nobody reads this pipe
    pid_ = fork();
    if (pid_ == 0) {
      dup2(input[0], STDIN_FILENO);
      dup2(out == Stdout::kFile ? create("out") : output[1], STDOUT_FILENO);
      dup2(create("err"), STDERR_FILENO);
      std::vector<char*> argv = {const_cast<char*>(GPTQ_BINARY)};
      for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
      argv.push_back(nullptr);
      execv(GPTQ_BINARY, argv.data());
      _exit(127);
    }
    close(input[0]);
    close(output[1]);
    input_ = input[1];
  }

  ~Process() {
    close_input();
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void write(const std::string& text) {
    signal(SIGPIPE, SIG_IGN);  // the program may have left
    (void)!::write(input_, text.data(), text.size());
  }

  void close_input() {
    if (input_ >= 0) close(input_);
    input_ = -1;
  }

  void send(int number) { ::kill(pid_, number); }

  std::string out() const { return read_whole(scratch_ / "out"); }
  std::string err() const { return read_whole(scratch_ / "err"); }

  // Waits until `condition` holds; false after a minute.
  template <typename Condition>
  static bool wait_until(const Condition& condition) {
    for (int i = 0; i < 12'000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }

  Outcome finish() {
    close_input();
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), out(), err()};
  }

 private:
  int create(const std::string& name) { return open((scratch_ / name).c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600); }

  Scratch scratch_;
  pid_t pid_ = -1;
  int input_ = -1;
};

inline Outcome gptq(const std::vector<std::string>& arguments, const std::string& input = "") {
  Process process(arguments);
  process.write(input);  // less than a pipe holds
  return process.finish();
}

}  // namespace gptq::testing
