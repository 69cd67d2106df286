// Notes and warnings of the library go to one callback; silent until an application sets it.
#pragma once

#include <functional>
#include <string>

namespace gptq {

enum class LogLevel { kNote, kWarning };
using LogSink = std::function<void(LogLevel, const std::string&)>;

void set_log_sink(LogSink sink);  // not thread-safe: set once at start-up
void note(const std::string& message);
void warn(const std::string& message);

// A message as people get it: of one longer than about 4 kB the middle is left out, at the borders of characters, and
// how much that was is said. Errors, notes and warnings pass through here.
std::string shortened_message(const std::string& message);

}  // namespace gptq
