// A model file that is truncated while it is in use: a message and an exit code instead of a signal.
#include "bus_error.h"

#include <signal.h>
#include <unistd.h>
#include <cstring>

#include <gptq/gptq.h>

namespace gptq::cli {

namespace {

void write_raw(const char* text) { (void)!write(STDERR_FILENO, text, std::strlen(text)); }

// Async-signal-safe calls only.
void on_bus_error(int, siginfo_t* info, void*) {
  const char* file = mapped_file_at(info->si_addr);
  write_raw("\ngptq: error: reading ");
  write_raw(file != nullptr ? file : "a mapped file");
  write_raw(
      ": it was truncated while in use, or its disk failed; restore it and run the command again (resume "
      "quantize with --resume)\n");
  _exit(static_cast<int>(ErrorKind::kVerification));
}

}  // namespace

void explain_bus_errors() {
  struct sigaction action = {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGBUS, &action, nullptr);
}

}  // namespace gptq::cli
