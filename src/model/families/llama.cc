// Llama 1-3.x and models of the same shape (Yi, TinyLlama, SmolLM2, DeepSeek-LLM).
#include "core/json.h"
#include "model/config.h"
#include "model/families.h"

namespace gptq {

Architecture read_llama(const JsonReader& config) {
  Architecture a = read_common(config);
  a.qkv_bias = a.o_bias = config.boolean("attention_bias", false);
  a.mlp_bias = config.boolean("mlp_bias", false);
  return a;
}

}  // namespace gptq
