// A model file that is cut short while it is read: a message and an exit code instead of a signal.
#pragma once

namespace gptq::cli {

// Files are mapped, so that reading behind a new, nearer end raises SIGBUS. From now on that ends the program with the
// exit code of damaged files and a message that names the file.
void explain_bus_errors();

}  // namespace gptq::cli
