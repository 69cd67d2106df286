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

}  // namespace gptq::cli
