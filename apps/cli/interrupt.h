// Ctrl-C: the first press asks politely, a second one ends the program at once with exit code 130.
#pragma once

#include <functional>
#include <stop_token>
#include <thread>

namespace gptq::cli {

// Listens to SIGINT and SIGTERM while it lives; one at a time.
class Interrupt {
 public:
  Interrupt();
  explicit Interrupt(std::function<void()> on_first);  // called once, from a thread of its own
  ~Interrupt();

  bool pressed() const;
  bool terminated() const;                                     // SIGTERM: the whole program is meant
  void reset();                                                // the next press is a first one again
  std::stop_token token() const { return stop_.get_token(); }  // fires only with the second constructor

 private:
  std::stop_source stop_;
  std::jthread watcher_;
};

// While it lives, the terminal that is standard input does not show the keys that are typed, so that they do not mix with
// an answer; they wait to be read. Its settings come back with the end of the object and before a second Ctrl-C ends
// the program. One at a time.
class HiddenKeys {
 public:
  HiddenKeys();
  ~HiddenKeys();
  HiddenKeys(const HiddenKeys&) = delete;
  HiddenKeys& operator=(const HiddenKeys&) = delete;
};

}  // namespace gptq::cli
