// inspect(): the folder's summary, and whether this build supports the model.
#include <gptq/error.h>
#include <gptq/inspect.h>

#include "checkpoint/folder_info.h"
#include "core/json.h"
#include "model/families.h"

namespace gptq::model {

namespace {

// Why the folder's model cannot be loaded, judged by its config and tensor names; "" if it can.
std::string obstacle_in(const checkpoint::Checkpoint& checkpoint) {
  if (checkpoint.other_format()) return "it is " + checkpoint.other_format()->found;
  if (find_family(checkpoint.config()) == nullptr) return "this build does not know the architecture";
  try {
    const Architecture architecture = read_architecture(checkpoint.config(), "config.json");
    for (int64_t layer = 0; layer < architecture.layers; ++layer) {
      for (const LinearSet& set : architecture.program(layer).linear_sets) {
        for (const LinearSpec& linear : set.linears) {
          const std::string module = architecture.layer_prefix(layer) + linear.name;
          if (!checkpoint.contains(module + ".weight") && !checkpoint.contains(module + ".qweight")) {
            return "it has no weights of " + module;
          }
        }
      }
    }
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

}  // namespace gptq::model

namespace gptq {

void check_supported(const std::string& config_json, const std::string& what) {
  model::find_family_or_throw(parse_json(config_json, "config.json of " + what), "config.json of " + what);
}

ModelInfo inspect(const std::string& folder) {
  if (const auto other = checkpoint::not_a_model(folder)) return checkpoint::folder_info(folder, *other);
  const checkpoint::Checkpoint checkpoint = checkpoint::Checkpoint::open(folder, checkpoint::Purpose::kLook);
  ModelInfo info = checkpoint::folder_info(checkpoint);
  info.obstacle = model::obstacle_in(checkpoint);
  info.supported = info.obstacle.empty();
  return info;
}

}  // namespace gptq
