// The lines of a text file with any line ending.
#pragma once

#include <algorithm>
#include <string_view>

namespace gptq::tokenizer {

// The line that begins at `position`; moves `position` to the next line.
inline std::string_view next_line(std::string_view text, size_t& position) {
  const size_t end = std::min(text.find('\n', position), text.size());
  std::string_view line = text.substr(position, end - position);
  position = end + 1;
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace gptq::tokenizer
