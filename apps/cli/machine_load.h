// Detects other work on the machine that distorts measurements.
#pragma once

#include <string>

namespace gptq::cli {

double load_average();  // load average of the last minute; 0 when unknown

// A warning when the load exceeds half of the hardware threads, else "".
std::string load_warning(double load, unsigned threads);

}  // namespace gptq::cli
