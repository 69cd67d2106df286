// Where the demo model is.
#pragma once

#include <string>

namespace gptq::generate {

inline const std::string kDemo = std::string(GPTQ_SOURCE_DIR) + "/models/demo";

}  // namespace gptq::generate
