// The process-wide log callback.
#include "core/log.h"

#include <mutex>

namespace gptq {

namespace {

LogSink& sink() {
  static LogSink instance;
  return instance;
}

void send(LogLevel level, const std::string& message) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  if (sink()) sink()(level, message);
}

}  // namespace

void set_log_sink(LogSink new_sink) { sink() = std::move(new_sink); }
void note(const std::string& message) { send(LogLevel::kNote, message); }
void warn(const std::string& message) { send(LogLevel::kWarning, message); }

}  // namespace gptq
