// Removes characters that a terminal could interpret from untrusted text.
#include <gptq/terminal.h>

#include "core/utf8.h"

namespace gptq {

namespace {

bool is_safe(char32_t code) {
  if (code == '\n' || code == '\t') return true;
  if (code < 0x20 || (code >= 0x7F && code <= 0x9F)) return false;      // C0, DEL, C1
  if (code == 0x61C || code == 0x200E || code == 0x200F) return false;  // bidirectional marks
  return !(code >= 0x2028 && code <= 0x202E) && !(code >= 0x2066 && code <= 0x2069);
}

}  // namespace

std::string sanitize_for_terminal(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t position = 0; position < text.size();) {
    const Utf8Step step = utf8_step(text, position);
    if (step.valid && is_safe(step.code)) {
      out.append(text.substr(position, step.size));
    } else {
      out.push_back('?');
    }
    position += step.size;
  }
  return out;
}

}  // namespace gptq
