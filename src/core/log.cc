// The process-wide log callback.
#include "core/log.h"

#include <mutex>

namespace gptq {

namespace {

constexpr size_t kHead = 3000, kTail = 1000;  // bytes of a long message that are kept

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

LogSink& sink() {
  static LogSink instance;
  return instance;
}

void send(LogLevel level, const std::string& message) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  if (sink()) sink()(level, shortened_message(message));
}

}  // namespace

std::string shortened_message(const std::string& message) {
  if (message.size() <= kHead + kTail) return message;
  size_t head = kHead, tail = message.size() - kTail;
  for (int i = 0; i < 3 && continues_character(message[head]); ++i) --head;
  for (int i = 0; i < 3 && continues_character(message[tail]); ++i) ++tail;
  return message.substr(0, head) + " [... " + std::to_string(tail - head) + " bytes ...] " + message.substr(tail);
}

void set_log_sink(LogSink new_sink) { sink() = std::move(new_sink); }
void note(const std::string& message) { send(LogLevel::kNote, message); }
void warn(const std::string& message) { send(LogLevel::kWarning, message); }

}  // namespace gptq
