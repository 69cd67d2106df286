// Standard output, for results only.
#include "output.h"

#include <fmt/format.h>
#include <unistd.h>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include <gptq/gptq.h>

namespace gptq::cli {

namespace {

[[noreturn]] void fail() {
  if (errno == EPIPE) throw BrokenPipe();
  throw Error(ErrorKind::kGeneral, fmt::format("cannot write to standard output: {}", std::strerror(errno)));
}

}  // namespace

void put(std::string_view text) {
  static const bool terminal = isatty(STDOUT_FILENO) == 1;
  std::string shown;
  if (terminal) text = shown = sanitize_for_terminal(text);
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) fail();
}

void flush() {
  if (std::fflush(stdout) != 0) fail();
}

std::string to_text(const Json& value, int indent) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

void put_json(const Json& value, int indent) {
  put(to_text(value, indent) + "\n");
  flush();
}

}  // namespace gptq::cli
