// Qwen2, Qwen2.5 and Qwen3: q/k/v biases or q/k norms; the upper layers may have a sliding window.
#include "core/json.h"
#include "model/config.h"
#include "model/families.h"

namespace gptq {

namespace {

// `layer_types` when present, else layers from max_window_layers upwards.
void read_windows(const JsonReader& config, Architecture& a) {
  if (!config.boolean("use_sliding_window", false)) return;
  const int64_t window = read_window(config, 4096);
  const Json* types = config.find("layer_types");
  if (types != nullptr && (!types->is_array() || types->size() != a.windows.size())) {
    config.fail("layer_types", "one entry for each layer");
  }
  const int64_t first = config.integer("max_window_layers", 28);
  for (int64_t layer = 0; layer < a.layers; ++layer) {
    const size_t i = static_cast<size_t>(layer);
    const bool sliding = types != nullptr ? (*types)[i] == "sliding_attention" : layer >= first;
    a.windows[i] = sliding ? window : 0;
  }
}

}  // namespace

Architecture read_qwen2(const JsonReader& config) {
  Architecture a = read_common(config);
  a.qkv_bias = true;
  read_windows(config, a);
  return a;
}

// Qwen3: no biases, an RMSNorm on each head of q and k.
Architecture read_qwen3(const JsonReader& config) {
  Architecture a = read_common(config);
  if (!config.has("head_dim")) a.head_dim = 128;
  a.qkv_bias = a.o_bias = config.boolean("attention_bias", false);
  a.qk_norm = true;
  read_windows(config, a);
  return a;
}

}  // namespace gptq
