// Parts of layers that several families share.
#include "model/families/llama_layer.h"

#include <cmath>

namespace gptq::model {

QkvLinear add_qkv(ProgramBuilder& p, const DecoderConfig& c, Columns in, bool bias,
                  const std::vector<LinearSpec>& others) {
  const int64_t q = c.heads * c.head_dim, kv = c.kv_heads * c.head_dim;
  std::vector<LinearSpec> linears = {{"self_attn.q_proj", in.count, q, bias},
                                     {"self_attn.k_proj", in.count, kv, bias},
                                     {"self_attn.v_proj", in.count, kv, bias}};
  linears.insert(linears.end(), others.begin(), others.end());
  const Columns all = p.linear("qkv", in, std::move(linears), {"self_attn.qkv_proj"});
  return {all, {p.part(all, 0, q), p.part(all, q, kv), p.part(all, q + kv, kv)}};
}

AttentionStep attention_step(const DecoderConfig& c, const Qkv& qkv, int64_t window) {
  AttentionStep step;
  step.q = qkv.q;
  step.k = qkv.k;
  step.v = qkv.v;
  step.heads = static_cast<int>(c.heads);
  step.kv_heads = static_cast<int>(c.kv_heads);
  step.head_dim = static_cast<int>(c.head_dim);
  step.scale = 1.0f / std::sqrt(static_cast<float>(c.head_dim));
  step.window = window;
  return step;
}

void add_rope(ProgramBuilder& p, const DecoderConfig& c, const Qkv& qkv) {
  for (const Columns& x : {qkv.q, qkv.k}) p.rope({x, c.head_dim, c.rope.rotary_dim});
}

Columns add_gated_mlp(ProgramBuilder& p, const DecoderConfig& c, Columns in, bool bias) {
  const Columns gate_up = p.linear(
      "gate_up", in,
      {{"mlp.gate_proj", in.count, c.intermediate_size, bias}, {"mlp.up_proj", in.count, c.intermediate_size, bias}},
      {"mlp.gate_up_proj"});
  const Columns inner = p.activation(gate_up, c.activation, true);
  return p.linear("down", inner, {{"mlp.down_proj", c.intermediate_size, c.hidden_size, bias}});
}

LayerProgram llama_layer(const DecoderConfig& c, const LlamaLayerOptions& o, int64_t window) {
  const auto rms = [&](const std::string& name) { return NormSpec{NormKind::kRms, name, false, 0, c.norm_eps}; };
  ProgramBuilder p(c.hidden_size);
  const Columns x = p.residual();

  const Qkv qkv = add_qkv(p, c, p.norm(x, rms("input_layernorm")), o.qkv_bias).qkv;
  if (o.qk_norm) {
    p.norm_heads(qkv.q, c.head_dim, rms("self_attn.q_norm"));
    p.norm_heads(qkv.k, c.head_dim, rms("self_attn.k_norm"));
  }
  add_rope(p, c, qkv);
  const Columns attended = p.attention(attention_step(c, qkv, window));
  p.add(p.linear("o", attended, {{"self_attn.o_proj", attended.count, c.hidden_size, o.o_bias}}));

  p.add(add_gated_mlp(p, c, p.norm(x, rms("post_attention_layernorm")), o.mlp_bias));
  return std::move(p).finish();
}

}  // namespace gptq::model
