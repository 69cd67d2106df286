// Qwen2, Qwen2.5 and Qwen3: q/k/v biases or q/k norms; the upper layers may have a sliding window.
#include "core/json.h"
#include "model/families.h"
#include "model/families/llama_layer.h"

namespace gptq::model {

namespace {

// Without `layer_types`, layers from max_window_layers on have the sliding window.
std::vector<int64_t> read_windows(const JsonReader& config, const DecoderConfig& c) {
  if (!config.boolean("use_sliding_window", false)) return std::vector<int64_t>(static_cast<size_t>(c.layers), 0);
  const int64_t first = config.integer("max_window_layers", 28);
  return read_layer_windows(config, c.layers, read_window(config, 4096), [&](int64_t layer) { return layer >= first; });
}

Architecture make_qwen(const JsonReader& config, const DecoderConfig& c, const LlamaLayerOptions& options) {
  Architecture a = make_architecture(c);
  add_layers(a, read_windows(config, c), [&](int64_t window) { return llama_layer(c, options, window); });
  return a;
}

}  // namespace

Architecture read_qwen2(const JsonReader& config) {
  LlamaLayerOptions options;
  options.qkv_bias = true;
  return make_qwen(config, read_decoder_config(config), options);
}

// Qwen3: no biases, an RMS norm on each head of q and k.
Architecture read_qwen3(const JsonReader& config) {
  DecoderDefaults defaults;
  defaults.head_dim = 128;
  LlamaLayerOptions options;
  options.qkv_bias = options.o_bias = config.boolean("attention_bias", false);
  options.qk_norm = true;
  return make_qwen(config, read_decoder_config(config, defaults), options);
}

}  // namespace gptq::model
