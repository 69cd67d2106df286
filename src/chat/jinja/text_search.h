// Substring search in linear time for any input.
#pragma once

#include <string>

namespace gptq::chat {

// The first occurrence at or after byte `from`, the last one that ends at or before byte `end`; npos when
// there is none.
size_t find_text(const std::string& text, const std::string& part, size_t from);
size_t rfind_text(const std::string& text, const std::string& part, size_t end);

}  // namespace gptq::chat
