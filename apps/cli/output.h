// Standard output, for results only.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

namespace gptq::cli {

using Json = nlohmann::ordered_json;

struct BrokenPipe {};  // the reader closed the pipe; thrown by put() and flush(), ends the program silently

// Buffered; throws BrokenPipe, or Error when the disk is full. On a terminal, control sequences are replaced
// (sanitize_for_terminal); files and pipes receive every byte.
void put(std::string_view text);
void put_json(const Json& value, int indent = 2);    // and a newline
std::string to_text(const Json& value, int indent);  // invalid UTF-8 becomes U+FFFD
void flush();

}  // namespace gptq::cli
