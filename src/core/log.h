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

// Shortens a message of more than about 4 kB: the middle is replaced by its size, at character boundaries. Applied to
// errors, notes and warnings.
std::string shortened_message(const std::string& message);

}  // namespace gptq
