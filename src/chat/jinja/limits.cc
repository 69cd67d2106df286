// The limits of a rendering.
#include "chat/jinja/limits.h"

#include <string>

#include "chat/jinja/value.h"

namespace gptq::chat {

namespace {

[[noreturn]] void exceed(const char* what, size_t bound, const char* unit) {
  fail(std::string("it ") + what + " more than " + std::to_string(bound) + " " + unit);
}

}  // namespace

void Limits::step() {
  if (++steps_ > bounds_.steps) exceed("runs for", bounds_.steps, "steps");
}

void Limits::work(size_t bytes) {
  worked_ += bytes;
  if (worked_ > bounds_.work) exceed("searches and compares", bounds_.work, "bytes of text");
}

void Limits::produce(size_t bytes) {
  produced_ += bytes;
  if (bytes > kMaxStringBytes) exceed("makes a text of", kMaxStringBytes, "bytes");
  if (produced_ > bounds_.produced) exceed("makes", bounds_.produced, "bytes of text");
}

void Limits::hold(size_t items) {
  held_ += items;
  if (items > bounds_.held || held_ > bounds_.held) exceed("makes", bounds_.held, "values in lists and dicts");
}

void Limits::enter() {
  constexpr int kMaxDepth = 1000;
  if (depth_ == kMaxDepth) exceed("nests calls, blocks or values", kMaxDepth, "deep");
  ++depth_;
}

}  // namespace gptq::chat
