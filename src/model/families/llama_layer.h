// The layer of Llama and similar models: attention, then a gated feed-forward network, each after a norm.
#pragma once

#include "model/config.h"
#include "model/program_builder.h"

namespace gptq::model {

struct LlamaLayerOptions {
  bool qkv_bias = false, o_bias = false, mlp_bias = false;
  bool qk_norm = false;  // an RMS norm on each head of q and k, before RoPE
};

// The columns of q, k and v.
struct Qkv {
  Columns q, k, v;
};

// q_proj, k_proj and v_proj of `in`, followed by the linears `others`, which read the same input; and their columns.
struct QkvLinear {
  Columns all;
  Qkv qkv;
};
QkvLinear add_qkv(ProgramBuilder& p, const DecoderConfig& c, Columns in, bool bias,
                  const std::vector<LinearSpec>& others = {});
// Attention of q, k and v, with scale 1/√D.
AttentionStep attention_step(const DecoderConfig& c, const Qkv& qkv, int64_t window);
// Rotates q and k.
void add_rope(ProgramBuilder& p, const DecoderConfig& c, const Qkv& qkv);
// down(activation(gate) · up) of `in`.
Columns add_gated_mlp(ProgramBuilder& p, const DecoderConfig& c, Columns in, bool bias);

LayerProgram llama_layer(const DecoderConfig& c, const LlamaLayerOptions& options, int64_t window);

}  // namespace gptq::model
