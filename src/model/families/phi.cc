// Phi-1, Phi-1.5 and Phi-2: attention and the feed-forward network read the same norm, and their outputs are added
// together; layer norms, biases, a part of each head is rotated. Li et al., "Textbooks Are All You Need II: phi-1.5
// technical report", arXiv 2309.05463.
#include "core/json.h"
#include "model/families.h"
#include "model/families/llama_layer.h"

namespace gptq::model {

namespace {

NormSpec phi_norm(const DecoderConfig& c, const std::string& name) {
  return {NormKind::kLayer, name, true, 0, c.norm_eps};
}

// Additions to the residual stream come last, so that every linear's input can be computed from the layer's input.
LayerProgram phi_layer(const DecoderConfig& c, bool qk_norm) {
  ProgramBuilder p(c.hidden_size);
  const Columns normed = p.norm(p.residual(), phi_norm(c, "input_layernorm"));
  const auto [all, qkv] = add_qkv(p, c, normed, true, {{"mlp.fc1", c.hidden_size, c.intermediate_size, true}});
  const Columns fc1 = p.part(all, all.count - c.intermediate_size, c.intermediate_size);
  const Columns inner = p.activation(fc1, c.activation, false);
  if (qk_norm) {
    p.norm_heads(qkv.q, c.head_dim, phi_norm(c, "self_attn.q_layernorm"));
    p.norm_heads(qkv.k, c.head_dim, phi_norm(c, "self_attn.k_layernorm"));
  }
  add_rope(p, c, qkv);
  const Columns attended = p.attention(attention_step(c, qkv, 0));
  const Columns dense = p.linear("dense", attended, {{"self_attn.dense", attended.count, c.hidden_size, true}});
  const Columns fc2 = p.linear("fc2", inner, {{"mlp.fc2", c.intermediate_size, c.hidden_size, true}});
  p.add(dense);
  p.add(fc2);
  return std::move(p).finish();
}

}  // namespace

Architecture read_phi(const JsonReader& config) {
  DecoderDefaults defaults;
  defaults.eps_key = "layer_norm_eps";
  defaults.eps = 1e-5;
  defaults.activation = "gelu_new";
  defaults.partial_rotary_factor = 0.5;
  const DecoderConfig c = read_decoder_config(config, defaults);
  const bool qk_norm = config.boolean("qk_layernorm", false);
  Architecture a = make_architecture(c);
  set_final_norm(a, phi_norm(c, "model.final_layernorm"));
  a.head_bias = true;
  add_layers(a, std::vector<int64_t>(static_cast<size_t>(c.layers), 0), [&](int64_t) { return phi_layer(c, qk_norm); });
  return a;
}

}  // namespace gptq::model
