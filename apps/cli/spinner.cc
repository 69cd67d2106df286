// A spinner on the terminal while there is no output.
#include "spinner.h"

#include <unistd.h>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <system_error>
#include <thread>

#include "progress.h"
#include "streams.h"

namespace gptq::cli {

namespace {

constexpr auto kAppearsAfter = std::chrono::milliseconds(150);
constexpr auto kMovesEvery = std::chrono::milliseconds(250);
constexpr size_t kMaxDots = 3;

}  // namespace

struct Spinner::State {
  std::jthread thread = {};

  // The cursor stays at the start of the line, so that other output replaces the text.
  static void draw(const std::string& text) {
    const bool colour = colour_on_stderr();
    put_error("\r" + std::string(colour ? "\033[2m" : "") + text + (colour ? "\033[0m" : "") + "\033[K\r");
  }

  static void run(const std::stop_token& stop, const std::string& text) {
    std::mutex mutex;
    std::condition_variable_any stopped;
    std::unique_lock lock(mutex);
    const auto wait = [&](std::chrono::milliseconds time) { stopped.wait_for(lock, stop, time, [] { return false; }); };
    wait(kAppearsAfter);
    if (stop.stop_requested()) return;
    for (size_t step = 0; !stop.stop_requested(); ++step) {
      draw(text + std::string(step % (kMaxDots + 1), '.'));
      wait(kMovesEvery);
    }
    put_error("\r\033[K");
  }
};

Spinner::Spinner(const std::string& text, bool shown) {
  if (!shown || isatty(STDERR_FILENO) != 1) return;
  try {
    state_ = std::make_unique<State>();
    state_->thread = std::jthread([text](const std::stop_token& stop) { State::run(stop, text); });
  } catch (const std::system_error&) {  // no thread available: continue without a spinner
    state_.reset();
  }
}

Spinner::~Spinner() = default;

void Spinner::stop() { state_.reset(); }  // stops the thread and waits for it

}  // namespace gptq::cli
