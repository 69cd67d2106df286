// Reading config.json: the fields that families share, in the dialects of transformers 4 and 5.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/json_fwd.h"
#include "model/architecture.h"

namespace gptq::model {

// The settings that decoder-only families share.
struct DecoderConfig {
  std::string model_type;
  int64_t vocab_size = 0;         // V
  int64_t hidden_size = 0;        // E
  int64_t intermediate_size = 0;  // I
  int64_t layers = 0;             // L
  int64_t heads = 0;              // H
  int64_t kv_heads = 0;           // Hkv, divides H
  int64_t head_dim = 0;           // D
  int64_t context_length = 0;
  float norm_eps = 1e-6f;
  Activation activation = Activation::kSilu;
  bool tied_head = false;
  RopeSpec rope;
};

// Settings that differ between families: the key of the norms' epsilon, and the values of missing fields.
struct DecoderDefaults {
  const char* eps_key = "rms_norm_eps";
  double eps = 1e-6;
  int64_t head_dim = 0;  // 0: hidden_size / num_attention_heads
  const char* activation = "silu";
  double partial_rotary_factor = 1;
  bool tied_head = false;
};

// Missing fields have the family's or else transformers' defaults. Throws Error(kVerification) naming the key for
// impossible values, before they are used.
DecoderConfig read_decoder_config(const JsonReader& config, const DecoderDefaults& defaults = {});

// `rope_parameters` (v5), else `rope_theta` + `rope_scaling` (v4), for heads of `head_dim` elements, of which the
// fraction `partial_rotary_factor` (default `share`) is rotated.
RopeSpec read_rope(const JsonReader& config, int64_t context_length, int64_t head_dim, double share);

// A number from `low` to `high`, inclusive.
double read_number(const JsonReader& config, const char* key, double fallback, double low, double high);

// Tokens of the sliding window, 0 for full attention.
int64_t read_window(const JsonReader& config, int64_t fallback);

// The window of each layer: `window` if its entry of `layer_types` is "sliding_attention", else 0. Without
// `layer_types`, `window` if `slides(layer)`.
std::vector<int64_t> read_layer_windows(const JsonReader& config, int64_t layers, int64_t window,
                                        const std::function<bool(int64_t layer)>& slides);

// Token ids that end an answer: an integer, a list, or absent.
std::vector<int> read_token_ids(const JsonReader& config, const char* key);

// Warns about fields that were not read through `config` and whose names suggest an effect on the arithmetic: a
// silently ignored field is the most common cause of wrong output.
void warn_about_unread_fields(const JsonReader& config);

}  // namespace gptq::model
