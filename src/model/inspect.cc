// inspect(): the folder's summary, and whether this build can run it.
#include <gptq/inspect.h>

#include "checkpoint/folder_info.h"
#include "model/families.h"

namespace gptq {

void check_supported(const std::string& config_json, const std::string& what) {
  find_family_or_throw(parse_json(config_json, "config.json of " + what), "config.json of " + what);
}

ModelInfo inspect(const std::string& folder) {
  if (const auto other = not_a_model(folder)) return folder_info(folder, *other);
  const Checkpoint checkpoint = Checkpoint::open(folder, Purpose::kLook);
  ModelInfo info = folder_info(checkpoint);
  if (checkpoint.other_format()) {
    info.obstacle = "it is " + checkpoint.other_format()->found;
  } else if (find_family(checkpoint.config()) == nullptr) {
    info.obstacle = "this build does not know the architecture";
  }
  info.supported = info.obstacle.empty();
  return info;
}

}  // namespace gptq
