// Ctrl-C: the first press requests a stop, a second one ends the program with exit code 130.
#include "interrupt.h"

#include <signal.h>
#include <termios.h>
#include <unistd.h>
#include <atomic>
#include <chrono>
#include <system_error>
#include <utility>

#include <gptq/gptq.h>

namespace gptq::cli {

namespace {

constexpr int kInterruptedExit = 130;
constexpr auto kWatchEvery = std::chrono::milliseconds(20);

std::atomic<int> presses{0};
std::atomic<bool> ended{false};  // by SIGTERM
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free,
              "a signal handler may touch lock-free atomics only");

termios shown_keys;                        // terminal settings before HiddenKeys changed them
std::atomic<bool> keys_are_hidden{false};  // while it lives

void show_keys() {
  if (keys_are_hidden.exchange(false)) tcsetattr(STDIN_FILENO, TCSANOW, &shown_keys);
}

void on_signal(int number) {
  if (number == SIGTERM) ended = true;
  if (presses.fetch_add(1) == 0) return;
  show_keys();
  (void)!write(STDERR_FILENO, "\n", 1);
  _exit(kInterruptedExit);
}

void handle(void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGINT, SIGTERM}) sigaction(signal, &action, nullptr);
}

}  // namespace

Interrupt::Interrupt() {
  presses = 0;
  ended = false;
  handle(on_signal);
}

// A signal handler may not call request_stop(), so a thread watches the counter.
Interrupt::Interrupt(std::function<void()> on_first) : Interrupt() {
  const auto watch = [this, on_first = std::move(on_first)](std::stop_token done) {
    while (!done.stop_requested()) {
      if (pressed()) {
        on_first();
        stop_.request_stop();
        return;
      }
      std::this_thread::sleep_for(kWatchEvery);
    }
  };
  try {
    watcher_ = std::jthread(watch);
  } catch (const std::system_error& error) {
    throw Error(ErrorKind::kGeneral, "starting a thread that watches for Ctrl-C: " + error.code().message() +
                                         "; raise the limit on processes and threads (ulimit -u)");
  }
}

Interrupt::~Interrupt() { handle(SIG_DFL); }

bool Interrupt::pressed() const { return presses > 0; }

bool Interrupt::terminated() const { return ended; }

void Interrupt::reset() { presses = 0; }

HiddenKeys::HiddenKeys() {
  if (tcgetattr(STDIN_FILENO, &shown_keys) != 0) return;  // no terminal
  keys_are_hidden = true;
  termios hidden = shown_keys;
  hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  tcsetattr(STDIN_FILENO, TCSANOW, &hidden);
}

HiddenKeys::~HiddenKeys() { show_keys(); }

}  // namespace gptq::cli
