// A gptq process under ptrace that advances file operation by file operation, so that a test can kill it at any of them or
// choose how two of them interleave.
#pragma once

#include <sys/types.h>

#include <map>
#include <set>
#include <string>
#include <vector>

namespace gptq::testing {

// Several TracedProcess objects may live at the same time; all must be used from the thread that made them, which must
// have no other child processes. They run only inside advance() and finish(), except that a thread which computes goes on
// until its next system call.
class TracedProcess {
 public:
  // Starts GPTQ_BINARY with its output in `log` and stops it at its first system call. A failure is a test failure.
  TracedProcess(const std::vector<std::string>& arguments, const std::string& log);
  TracedProcess(const TracedProcess&) = delete;
  TracedProcess& operator=(const TracedProcess&) = delete;
  ~TracedProcess();

  // Whether processes can be traced here: containers may forbid it.
  static bool is_possible();

  // Runs until `operations` system calls that open, change, lock or remove files have begun; the last one of them has not
  // happened yet. False when the process has ended before.
  bool advance(int operations);

  // Runs to the end. The exit code, or minus the number of the signal that ended it.
  int finish();

  void kill();  // SIGKILL before the system call at which advance() stopped

  bool has_ended() const { return ended_; }
  int exit_code() const { return exit_code_; }
  int operations() const { return operations_; }  // that have begun so far

 private:
  void resume_stopped_threads();
  void take_event();
  void see_stop(pid_t thread, int status);

  pid_t process_ = -1;
  std::map<pid_t, int> stopped_;  // thread -> signal to deliver when it goes on
  bool ended_ = false;
  int exit_code_ = 0;
  int operations_ = 0;
  int allowed_ = 0;  // operations that may begin before advance() returns
};

}  // namespace gptq::testing
