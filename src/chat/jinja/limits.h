// Limits of one rendering: templates are untrusted and may loop or grow without end. Every operation that reads, copies
// or produces text or lists is counted here before or while it runs (tests/chat/template_costs_test.cc).
#pragma once

#include <cstddef>

namespace gptq::chat {

struct Bounds {
  size_t steps = 5'000'000;
  size_t work = size_t{1} << 30;      // bytes
  size_t produced = size_t{1} << 29;  // bytes
  size_t held = 2'000'000;            // items
};

class Limits {
 public:
  static constexpr size_t kMaxStringBytes = size_t{1} << 26;
  explicit Limits(const Bounds& bounds) : bounds_(bounds) {}

  void step();                 // one evaluated node
  void work(size_t bytes);     // text read: searched, compared, counted
  void produce(size_t bytes);  // text produced, whether or not it is still in use
  void hold(size_t items);     // items of lists and dicts, and other objects: kept until the end
  void enter();                // one level of nesting: blocks, calls, macros, values inside values
  void leave() { --depth_; }

 private:
  Bounds bounds_;
  size_t steps_ = 0;
  size_t worked_ = 0;
  size_t produced_ = 0;
  size_t held_ = 0;
  int depth_ = 0;
};

// One level of nesting during its lifetime.
class Nesting {
 public:
  explicit Nesting(Limits& limits) : limits_(limits) { limits_.enter(); }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;
  ~Nesting() { limits_.leave(); }

 private:
  Limits& limits_;
};

}  // namespace gptq::chat
