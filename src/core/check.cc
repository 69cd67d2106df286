// Turns a failed CHECK into an Error, so that bugs of gptq unwind cleanly.
#include "core/check.h"

#include <gptq/error.h>

namespace gptq {

void check_failed(const char* condition, const char* file, int line, const std::string& note) {
  std::string text =
      std::string("internal error: CHECK(") + condition + ") failed at " + file + ":" + std::to_string(line);
  if (!note.empty()) text += ": " + note;
  throw Error(ErrorKind::kGeneral, text + " (this is a bug in gptq; please report it with the command)");
}

}  // namespace gptq
