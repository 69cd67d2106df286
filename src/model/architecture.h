// What a model is, as data: the numbers of its config and the linears of one layer. No family names beyond here.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace gptq {

enum class RopeType { kDefault, kLinear, kDynamic, kLlama3, kYarn };

// Rotary position embedding (Su et al., arXiv 2104.09864) and its extensions to longer contexts.
struct RopeSpec {
  RopeType type = RopeType::kDefault;
  double theta = 10000.0;
  double factor = 1.0;
  int64_t original_max_positions = 0;                    // of the model before the extension
  double low_freq_factor = 1.0, high_freq_factor = 4.0;  // llama3
  double beta_fast = 32.0, beta_slow = 1.0;              // yarn (Peng et al., arXiv 2309.00071)
  bool truncate = true;                                  // yarn: round the ramp's ends outwards
  double attention_factor = 1.0;                         // yarn: scales cos and sin
};

struct Architecture {
  std::string model_type;
  int64_t vocab_size = 0;         // V
  int64_t hidden_size = 0;        // E
  int64_t intermediate_size = 0;  // I
  int64_t layers = 0;             // L
  int64_t heads = 0;              // H
  int64_t kv_heads = 0;           // Hkv
  int64_t head_dim = 0;           // D
  int64_t context_length = 0;
  float rms_norm_eps = 1e-6f;
  bool qkv_bias = false, o_bias = false, mlp_bias = false;
  bool qk_norm = false;    // RMSNorm on each head of q and k, before RoPE
  bool tied_head = false;  // lm_head is the embedding table
  RopeSpec rope;
  std::vector<int64_t> windows;  // [L] sliding window of each layer, 0 = full attention
};

struct LinearSpec {
  std::string name;      // within the layer: "self_attn.q_proj"
  int64_t in_features;   // K
  int64_t out_features;  // N
  bool bias;
};

// Linears that read the same input: one Hessian, one factorisation, one solve.
struct LinearSet {
  std::string name;  // "qkv", for progress and journals
  std::vector<LinearSpec> linears;
};

// The four input groups of a layer in the order they run: {q, k, v}, {o}, {gate, up}, {down}.
inline constexpr int kLinearSets = 4;
std::array<LinearSet, kLinearSets> linear_sets(const Architecture& a);

// Names of tensors in a checkpoint.
std::string layer_prefix(int64_t layer);  // "model.layers.3."
inline constexpr const char* kEmbeddingName = "model.embed_tokens.weight";
inline constexpr const char* kFinalNormName = "model.norm.weight";
inline constexpr const char* kHeadName = "lm_head.weight";

}  // namespace gptq
