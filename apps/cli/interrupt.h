// Ctrl-C: the first press requests a stop, a second one ends the program with exit code 130.
#pragma once

#include <functional>
#include <stop_token>
#include <thread>

namespace gptq::cli {

// Handles SIGINT and SIGTERM during its lifetime. One object at a time.
class Interrupt {
 public:
  Interrupt();
  explicit Interrupt(std::function<void()> on_first);  // called once, from a separate thread
  ~Interrupt();

  bool pressed() const;
  bool terminated() const;                                     // SIGTERM: end the whole program
  void reset();                                                // the next press counts as the first one
  std::stop_token token() const { return stop_.get_token(); }  // used by the second constructor only

 private:
  std::stop_source stop_;
  std::jthread watcher_;
};

// During its lifetime the terminal on standard input does not echo keys, so that they do not mix with an answer; they
// remain readable. The settings are restored by the destructor, and before a second Ctrl-C ends the program. One object
// at a time.
class HiddenKeys {
 public:
  HiddenKeys();
  ~HiddenKeys();
  HiddenKeys(const HiddenKeys&) = delete;
  HiddenKeys& operator=(const HiddenKeys&) = delete;
};

}  // namespace gptq::cli
