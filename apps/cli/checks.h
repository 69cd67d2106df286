// What `gptq version` and `gptq doctor` show: the build, the machine, and the configuration of Hub access.
#pragma once

#include <string>
#include <vector>

namespace gptq::cli {

struct Check {
  std::string name;  // "commit", "gpu cuda:0"
  bool good = true;  // false: a warning
  std::string text;
};

// In display order. Loads OpenBLAS and queries the driver; writes nothing and uses no network.
std::vector<Check> checks();

}  // namespace gptq::cli
