// The bounds of a rendering.
#include "text/template/limits.h"

#include "text/template/value.h"

namespace gptq::chat {

namespace {

constexpr size_t kMaxSteps = 5'000'000;
constexpr size_t kMaxWork = size_t{1} << 33;
constexpr size_t kMaxProduced = size_t{1} << 30;
constexpr size_t kMaxHeld = 4'000'000;
constexpr int kMaxDepth = 1000;

}  // namespace

void Limits::step() {
  if (++steps_ > kMaxSteps) fail("it runs for more than 5 million steps");
}

void Limits::work(size_t bytes) {
  worked_ += bytes;
  if (worked_ > kMaxWork) fail("it searches and compares more than 8 GiB of text");
}

void Limits::produce(size_t bytes) {
  produced_ += bytes;
  if (bytes > kLongestString || produced_ > kMaxProduced) fail("it makes more than 1 GiB of text, or 64 MiB at once");
}

void Limits::hold(size_t items) {
  held_ += items;
  if (items > kMaxHeld || held_ > kMaxHeld) fail("it makes more than 4 million values in lists and dicts");
}

void Limits::enter() {
  if (++depth_ > kMaxDepth) {
    --depth_;
    fail("it nests calls, blocks or values more than 1000 deep");
  }
}

}  // namespace gptq::chat
