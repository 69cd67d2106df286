// The layer of Llama and its relatives: attention, then a gated feed-forward network, each behind a norm.
#pragma once

#include "model/config.h"
#include "model/program_builder.h"

namespace gptq::model {

struct LlamaLayerOptions {
  bool qkv_bias = false, o_bias = false, mlp_bias = false;
  bool qk_norm = false;  // an RMS norm on each head of q and k, before RoPE
};

// q, k and v side by side.
struct Qkv {
  Columns q, k, v;
};

// q_proj, k_proj and v_proj of `in`, with the linears `others` that read the same input behind them; and where q, k and v are.
struct QkvLinear {
  Columns all;
  Qkv qkv;
};
QkvLinear add_qkv(ProgramBuilder& p, const DecoderConfig& c, Columns in, bool bias,
                  const std::vector<LinearSpec>& others = {});
// Rotates q and k and attends. Scale 1/√D unless given.
AttentionStep attention_step(const DecoderConfig& c, const Qkv& qkv, int64_t window);
void add_rope(ProgramBuilder& p, const DecoderConfig& c, const Qkv& qkv);
// down(activation(gate) · up) of `in`.
Columns add_gated_mlp(ProgramBuilder& p, const DecoderConfig& c, Columns in, bool bias);

LayerProgram llama_layer(const DecoderConfig& c, const LlamaLayerOptions& options, int64_t window);

}  // namespace gptq::model
