// The standard streams: opened if missing, and robust writing to standard error.
#pragma once

#include <cstddef>
#include <string_view>

namespace gptq::cli {

// Call first. A missing stream is opened as /dev/null, such that using it fails: otherwise the first file opened,
// perhaps a model's weights, would get its descriptor and receive output.
void open_standard_streams();

// Writes to standard error unbuffered. Failures (closed, full disk, no reader) are ignored: the work continues.
void put_error(std::string_view text) noexcept;

size_t terminal_columns(int stream);  // 80 when it is not a terminal
size_t line_width(int stream);        // for pages: COLUMNS if set, else the above

}  // namespace gptq::cli
