// The library's version and its log callback, as declared in the public headers.
#include <gptq/gptq.h>

#include "core/log.h"

namespace gptq {

std::string version() { return GPTQ_VERSION; }

void on_message(std::function<void(bool warning, const std::string& text)> sink) {
  set_log_sink(
      [sink = std::move(sink)](LogLevel level, const std::string& text) { sink(level == LogLevel::kWarning, text); });
}

}  // namespace gptq
