// Base64, as tiktoken files, tekken.json and character maps use it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gptq {

std::string to_base64(std::string_view bytes);

// nullopt unless `text` is whole groups of four characters, the last one padded with "=".
std::optional<std::string> from_base64(std::string_view text);

}  // namespace gptq
