// Whether other work on the machine makes measurements wrong.
#pragma once

#include <string>

namespace gptq::cli {

double load_average();  // of the last minute: processes that run or wait; 0 when the system does not tell

// A sentence when the load is more than half of the hardware threads, else "".
std::string load_warning(double load, unsigned threads);

}  // namespace gptq::cli
