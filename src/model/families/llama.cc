// Llama 1-3.x and models of the same structure (Yi, TinyLlama, SmolLM2, DeepSeek-LLM).
#include "core/json.h"
#include "model/families.h"
#include "model/families/llama_layer.h"

namespace gptq::model {

Architecture read_llama(const JsonReader& config) {
  const DecoderConfig c = read_decoder_config(config);
  LlamaLayerOptions options;
  options.qkv_bias = options.o_bias = config.boolean("attention_bias", false);
  options.mlp_bias = config.boolean("mlp_bias", false);
  Architecture a = make_architecture(c);
  add_layers(a, std::vector<int64_t>(static_cast<size_t>(c.layers), 0),
             [&](int64_t window) { return llama_layer(c, options, window); });
  return a;
}

}  // namespace gptq::model
