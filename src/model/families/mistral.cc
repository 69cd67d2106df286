// Mistral 7B, NeMo, Small: Llama's layer, with a sliding window in every layer if the config has one.
#include "core/json.h"
#include "model/families.h"
#include "model/families/llama_layer.h"

namespace gptq::model {

Architecture read_mistral(const JsonReader& config) {
  const DecoderConfig c = read_decoder_config(config);
  Architecture a = make_architecture(c);
  add_layers(a, std::vector<int64_t>(static_cast<size_t>(c.layers), read_window(config, 0)),
             [&](int64_t window) { return llama_layer(c, {}, window); });
  return a;
}

}  // namespace gptq::model
