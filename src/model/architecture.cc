// The linears of one decoder layer, from the architecture's numbers.
#include "model/architecture.h"

namespace gptq {

std::array<LinearSet, kLinearSets> linear_sets(const Architecture& a) {
  const int64_t q = a.heads * a.head_dim, kv = a.kv_heads * a.head_dim;
  return {{
      {"qkv",
       {{"self_attn.q_proj", a.hidden_size, q, a.qkv_bias},
        {"self_attn.k_proj", a.hidden_size, kv, a.qkv_bias},
        {"self_attn.v_proj", a.hidden_size, kv, a.qkv_bias}}},
      {"o", {{"self_attn.o_proj", q, a.hidden_size, a.o_bias}}},
      {"gate_up",
       {{"mlp.gate_proj", a.hidden_size, a.intermediate_size, a.mlp_bias},
        {"mlp.up_proj", a.hidden_size, a.intermediate_size, a.mlp_bias}}},
      {"down", {{"mlp.down_proj", a.intermediate_size, a.hidden_size, a.mlp_bias}}},
  }};
}

std::string layer_prefix(int64_t layer) { return "model.layers." + std::to_string(layer) + "."; }

}  // namespace gptq
