// Gemma 2: norms before and after both halves of a layer, with weights stored minus one; soft caps on scores and
// logits; a sliding window in every second layer. Gemma Team, "Gemma 2: Improving Open Language Models at a Practical
// Size", arXiv 2408.00118.
#include <cmath>

#include "core/json.h"
#include "model/families.h"
#include "model/families/llama_layer.h"

namespace gptq::model {

namespace {

constexpr int64_t kHeadDim = 256, kWindow = 4096;
constexpr double kMaxCap = 1e6, kMaxScalar = 1e9;

struct Gemma2Options {
  bool attention_bias = false;
  float scale = 1, soft_cap = 0;
};

NormSpec gemma2_norm(const DecoderConfig& c, const std::string& name) {
  return {NormKind::kRms, name, false, 1.0f, c.norm_eps};
}

LayerProgram gemma2_layer(const DecoderConfig& c, const Gemma2Options& o, int64_t window) {
  ProgramBuilder p(c.hidden_size);
  const Columns x = p.residual();

  const Qkv qkv = add_qkv(p, c, p.norm(x, gemma2_norm(c, "input_layernorm")), o.attention_bias).qkv;
  add_rope(p, c, qkv);
  AttentionStep step = attention_step(c, qkv, window);
  step.scale = o.scale;
  step.soft_cap = o.soft_cap;
  const Columns attended = p.attention(step);
  const Columns o_proj =
      p.linear("o", attended, {{"self_attn.o_proj", attended.count, c.hidden_size, o.attention_bias}});
  p.add(p.norm(o_proj, gemma2_norm(c, "post_attention_layernorm")));

  const Columns down = add_gated_mlp(p, c, p.norm(x, gemma2_norm(c, "pre_feedforward_layernorm")), false);
  p.add(p.norm(down, gemma2_norm(c, "post_feedforward_layernorm")));
  return std::move(p).finish();
}

// `null` means no cap.
float read_cap(const JsonReader& config, const char* key, double fallback) {
  if (config.json().contains(key) && !config.has(key)) return 0;
  return static_cast<float>(read_number(config, key, fallback, 0, kMaxCap));
}

}  // namespace

Architecture read_gemma2(const JsonReader& config) {
  DecoderDefaults defaults;
  defaults.head_dim = kHeadDim;
  defaults.activation = "gelu_pytorch_tanh";
  defaults.tied_head = true;
  DecoderConfig c = read_decoder_config(config, defaults);
  if (!config.has("hidden_activation")) c.activation = Activation::kGeluTanh;  // `hidden_act` is ignored
  Gemma2Options o;
  o.attention_bias = config.boolean("attention_bias", false);
  o.scale =
      1.0f / std::sqrt(static_cast<float>(read_number(config, "query_pre_attn_scalar", kHeadDim, 1e-6, kMaxScalar)));
  o.soft_cap = read_cap(config, "attn_logit_softcapping", 50);
  Architecture a = make_architecture(c);
  a.embedding_scale = std::sqrt(static_cast<float>(c.hidden_size));
  a.logit_soft_cap = read_cap(config, "final_logit_softcapping", 30);
  set_final_norm(a, gemma2_norm(c, "model.norm"));
  const std::vector<int64_t> windows =
      read_layer_windows(config, c.layers, read_window(config, kWindow), [](int64_t layer) { return layer % 2 == 0; });
  add_layers(a, windows, [&](int64_t window) { return gemma2_layer(c, o, window); });
  return a;
}

}  // namespace gptq::model
