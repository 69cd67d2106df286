// The three standard streams: that they exist, and writing to standard error whatever happens to it.
#pragma once

#include <cstddef>
#include <string_view>

namespace gptq::cli {

// Call first. A stream that the program was started without becomes /dev/null, opened so that using it fails: otherwise
// the first file that is opened, a model's weights perhaps, would take its number and receive what is printed.
void open_standard_streams();

// To standard error, at once. A closed one, a full disk or a reader that has left are ignored: the work counts more.
void put_error(std::string_view text) noexcept;

size_t terminal_columns(int stream);  // 80 when it is no terminal
size_t line_width(int stream);        // of pages: COLUMNS when it is set, else the above

}  // namespace gptq::cli
