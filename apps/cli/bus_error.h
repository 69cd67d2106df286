// A model file that is truncated while it is in use: a message and an exit code instead of a signal.
#pragma once

namespace gptq::cli {

// Files are memory-mapped, so reading past the new end of a truncated file raises SIGBUS. After this call that ends the
// program with the exit code of damaged files and a message that names the file.
void explain_bus_errors();

}  // namespace gptq::cli
