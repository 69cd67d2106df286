// inspect(): the folder's summary, and whether this build can run it.
#include <gptq/inspect.h>

#include "checkpoint/folder_info.h"
#include "model/families.h"

namespace gptq {

void check_supported(const std::string& config_json, const std::string& what) {
  find_family_or_throw(parse_json(config_json, "config.json of " + what), "config.json of " + what);
}

ModelInfo inspect(const std::string& folder) {
  const Checkpoint checkpoint = Checkpoint::open(folder);
  ModelInfo info = folder_info(checkpoint);
  info.supported = find_family(checkpoint.config()) != nullptr;
  return info;
}

}  // namespace gptq
