// What `gptq version` and `gptq doctor` show: this build, this machine, and where it stands with the Hub.
#pragma once

#include <string>
#include <vector>

namespace gptq::cli {

struct Check {
  std::string name;  // "commit", "gpu cuda:0"
  bool good = true;  // false: worth a warning
  std::string text;
};

// In the order in which they are shown. Loads OpenBLAS, asks the driver, writes nothing and uses no network.
std::vector<Check> checks();

}  // namespace gptq::cli
