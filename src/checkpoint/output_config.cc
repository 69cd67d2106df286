// The old names of keys that transformers 5 renamed.
#include "checkpoint/output_config.h"

#include "core/json.h"

namespace gptq::checkpoint {

namespace {

// Keys of `rope_parameters` that transformers 4 stores outside "rope_scaling".
constexpr const char* kOutside[] = {"rope_theta", "partial_rotary_factor"};

void add(OrderedJson& config, const std::string& key, const OrderedJson& value) {
  if (!config.contains(key) || config[key].is_null()) config[key] = value;
}

void add_old_rope(OrderedJson& config) {
  const auto found = config.find("rope_parameters");
  if (found == config.end() || !found->is_object()) return;
  OrderedJson scaling = *found;
  for (const char* key : kOutside) {
    if (!scaling.contains(key)) continue;
    add(config, key, OrderedJson(scaling[key]));
    scaling.erase(key);
  }
  const OrderedJson type = scaling.value("rope_type", OrderedJson("default"));
  if (type != "default") add(config, "rope_scaling", scaling);
}

}  // namespace

OrderedJson output_config(const OrderedJson& source, const QuantizeConfig& config) {
  OrderedJson full = source;
  full.erase("auto_map");
  add_old_rope(full);
  if (const auto dtype = full.find("dtype"); dtype != full.end() && dtype->is_string()) {
    add(full, "torch_dtype", OrderedJson(*dtype));
  }
  full["quantization_config"] = to_json(config);
  return full;
}

}  // namespace gptq::checkpoint
