// Valid file names in untrusted configs: names within the folder, never a path.
#pragma once

#include <string>

namespace gptq::checkpoint {

inline bool is_plain_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string("/\\\0", 3)) == std::string::npos;
}

}  // namespace gptq::checkpoint
