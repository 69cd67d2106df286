// The program behind main().
#pragma once

namespace gptq::cli {

// Runs the command that the arguments name; errors are written to stderr. Returns the exit code; does not throw.
int run(int argc, char** argv);

}  // namespace gptq::cli
