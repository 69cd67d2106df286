// Architectures for tests that need no weights.
#pragma once

#include "core/json.h"
#include "model/families.h"

namespace gptq::testing {

struct LlamaSizes {
  int64_t hidden = 256, intermediate = 768, layers = 2, heads = 4, kv_heads = 4, vocab = 1024;
};

inline model::Architecture llama_architecture(const LlamaSizes& s) {
  const Json config = {{"model_type", "llama"},
                       {"vocab_size", s.vocab},
                       {"hidden_size", s.hidden},
                       {"intermediate_size", s.intermediate},
                       {"num_hidden_layers", s.layers},
                       {"num_attention_heads", s.heads},
                       {"num_key_value_heads", s.kv_heads}};
  return model::read_architecture(config, "config.json");
}

}  // namespace gptq::testing
