// Errors; bounds the length of their messages.
#include <gptq/error.h>

#include "core/log.h"

namespace gptq {

Error::Error(ErrorKind kind, const std::string& message)
    : std::runtime_error(shortened_message(message)), kind_(kind) {}

}  // namespace gptq
