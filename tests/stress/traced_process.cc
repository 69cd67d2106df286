#include "tests/stress/traced_process.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

namespace gptq::testing {

namespace {

// Every thread of every traced process -> its process; a thread may stop before its creator reports it.
std::map<pid_t, TracedProcess*>& tracees() {
  static std::map<pid_t, TracedProcess*> map;
  return map;
}

bool is_file_operation(uint64_t number) {
  static const std::set<uint64_t> numbers = {
#ifdef SYS_open
      SYS_open, SYS_mkdir, SYS_rmdir, SYS_rename, SYS_unlink,
#endif
      SYS_openat, SYS_mkdirat, SYS_renameat, SYS_renameat2, SYS_unlinkat, SYS_write, SYS_pwrite64, SYS_writev,
      SYS_ftruncate, SYS_fallocate, SYS_fsync, SYS_fdatasync, SYS_flock, SYS_fchmod};
  return numbers.contains(number);
}

// The process group leader of a thread, from /proc; 0 when it is gone.
pid_t process_of(pid_t thread) {
  FILE* file = fopen(("/proc/" + std::to_string(thread) + "/status").c_str(), "re");
  if (file == nullptr) return 0;
  char line[256];
  int process = 0;
  while (fgets(line, sizeof(line), file) != nullptr && sscanf(line, "Tgid: %d", &process) != 1) {
  }
  fclose(file);
  return process;
}

}  // namespace

bool TracedProcess::is_possible() {
  const pid_t child = fork();
  if (child == 0) _exit(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0 ? 0 : 1);
  int status = 1;
  waitpid(child, &status, 0);
  return status == 0;
}

TracedProcess::TracedProcess(const std::vector<std::string>& arguments, const std::string& log) {
  std::vector<char*> argv = {const_cast<char*>(GPTQ_BINARY)};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  process_ = fork();
  if (process_ == 0) {
    const int input = open("/dev/null", O_RDONLY), output = open(log.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
    dup2(input, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    execv(GPTQ_BINARY, argv.data());
    _exit(127);
  }
  int status = 0;
  EXPECT_EQ(waitpid(process_, &status, __WALL), process_);
  EXPECT_TRUE(WIFSTOPPED(status)) << "starting " << GPTQ_BINARY;
  EXPECT_EQ(ptrace(PTRACE_SETOPTIONS, process_, 0,
                   PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                       PTRACE_O_EXITKILL),
            0)
      << strerror(errno);
  tracees()[process_] = this;
  stopped_[process_] = 0;
}

TracedProcess::~TracedProcess() {
  if (!ended_) kill();
  std::erase_if(tracees(), [this](const auto& entry) { return entry.second == this; });
}

void TracedProcess::resume_stopped_threads() {
  for (const auto& [thread, signal] : std::exchange(stopped_, {})) ptrace(PTRACE_SYSCALL, thread, 0, signal);
}

// Notes that a thread stopped: at a system call, with a signal, as a new thread, or for an event of its creator's.
void TracedProcess::see_stop(pid_t thread, int status) {
  const int signal = WSTOPSIG(status);
  int deliver = 0;
  if (signal == (SIGTRAP | 0x80)) {
    __ptrace_syscall_info info = {};
    if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof(info), &info) > 0 && info.op == PTRACE_SYSCALL_INFO_ENTRY &&
        is_file_operation(info.entry.nr)) {
      ++operations_;
      --allowed_;
    }
  } else if (signal != SIGTRAP && signal != SIGSTOP) {
    deliver = signal;
  }
  stopped_[thread] = deliver;
}

// Waits for one event of any traced process.
void TracedProcess::take_event() {
  int status = 0;
  const pid_t thread = waitpid(-1, &status, __WALL);
  ASSERT_GT(thread, 0) << strerror(errno);
  auto found = tracees().find(thread);
  if (found == tracees().end()) {
    const auto owner = tracees().find(process_of(thread));
    if (owner == tracees().end()) return;
    found = tracees().emplace(thread, owner->second).first;
  }
  TracedProcess& process = *found->second;
  if (WIFSTOPPED(status)) return process.see_stop(thread, status);
  process.stopped_.erase(thread);
  tracees().erase(thread);
  if (thread != process.process_) return;
  process.ended_ = true;
  process.exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

bool TracedProcess::advance(int operations) {
  allowed_ = operations;
  while (!ended_) {
    // A thread may have begun an operation while another process was to run.
    if (allowed_ <= 0) return true;
    resume_stopped_threads();
    take_event();
    if (::testing::Test::HasFatalFailure()) return false;
  }
  return false;
}

int TracedProcess::finish() {
  advance(1 << 30);
  return exit_code_;
}

void TracedProcess::kill() {
  ::kill(process_, SIGKILL);
  while (!ended_ && !::testing::Test::HasFatalFailure()) take_event();
}

}  // namespace gptq::testing
