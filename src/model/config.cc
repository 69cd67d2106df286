// Reading config.json in both dialects.
#include "model/config.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <map>
#include <set>

#include <gptq/error.h>

#include "core/json.h"
#include "core/log.h"

namespace gptq::model {

namespace {

constexpr int64_t kMaxLayers = 10000;
constexpr int64_t kMaxSize = 1 << 24;      // of vectors and of counts of heads
constexpr int64_t kMaxVocab = 1 << 28;     // rows of a table
constexpr int64_t kMaxTokens = INT32_MAX;  // of contexts and windows

// A size from 1 to `largest`, checked before any memory of that size is allocated.
int64_t positive(const JsonReader& config, const char* key, int64_t fallback, int64_t largest = kMaxSize) {
  const int64_t value = config.integer(key, fallback);
  if (value >= 1 && value <= largest) return value;
  if (config.has(key)) config.fail(key, "a size from 1 to " + std::to_string(largest));
  throw Error(ErrorKind::kVerification, "reading " + config.what() + ": the key \"" + key + "\" is missing");
}

}  // namespace

double read_number(const JsonReader& config, const char* key, double fallback, double low, double high) {
  const double value = config.number(key, fallback);
  if (value >= low && value <= high) return value;
  if (!config.has(key)) {
    throw Error(ErrorKind::kVerification, "reading " + config.what() + ": \"" + key + "\", derived from other " +
                                              "keys, is " + Json(value).dump() + "; set it, or correct those keys");
  }
  config.fail(key, "a number from " + Json(low).dump() + " to " + Json(high).dump());
}

namespace {

constexpr double kMinTheta = 1.001, kMaxTheta = 1e18;
constexpr double kMinFactor = 1e-3, kMaxFactor = 1e6;

RopeType rope_type(const JsonReader& rope) {
  const std::string name = rope.string("rope_type", rope.string("type", "default"));
  if (name == "default" || name == "mrope") return RopeType::kDefault;
  if (name == "linear") return RopeType::kLinear;
  if (name == "dynamic") return RopeType::kDynamic;
  if (name == "llama3") return RopeType::kLlama3;
  if (name == "yarn") return RopeType::kYarn;
  throw Error(ErrorKind::kVerification, "reading " + rope.what() + ": rope type \"" + name +
                                            "\" is not supported; known are default, linear, dynamic, llama3, yarn");
}

// yarn's temperature: 0.1·mscale·ln(factor) + 1 for extended contexts.
double yarn_scale(double factor, double mscale) { return factor <= 1.0 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0; }

double yarn_attention_factor(const JsonReader& rope, double factor) {
  if (rope.has("attention_factor")) return read_number(rope, "attention_factor", 1.0, 1e-3, 1e3);
  const double mscale = read_number(rope, "mscale", 0.0, 0.0, 1e3),
               all_dims = read_number(rope, "mscale_all_dim", 0.0, 0.0, 1e3);
  if (mscale != 0.0 && all_dims != 0.0) return yarn_scale(factor, mscale) / yarn_scale(factor, all_dims);
  return yarn_scale(factor, 1.0);
}

}  // namespace

RopeSpec read_rope(const JsonReader& config, int64_t context_length, int64_t head_dim, double share) {
  static const Json kNone = Json::object();
  const Json* v5 = config.find("rope_parameters");
  const Json* v4 = config.find("rope_scaling");
  const JsonReader rope(v5 != nullptr   ? *v5
                        : v4 != nullptr ? *v4
                                        : kNone,
                        config.what() + (v5 != nullptr ? ": rope_parameters" : ": rope_scaling"));
  RopeSpec spec;
  spec.type = rope_type(rope);
  const JsonReader& partial = rope.has("partial_rotary_factor") ? rope : config;
  share = read_number(partial, "partial_rotary_factor", share, 0.0, 1.0);
  spec.rotary_dim = static_cast<int64_t>(static_cast<double>(head_dim) * share);
  if (spec.rotary_dim < 2 || spec.rotary_dim % 2 != 0) {
    const bool whole = !partial.has("partial_rotary_factor");
    (whole ? config : partial)
        .fail(whole ? "head_dim" : "partial_rotary_factor", "an even number of rotated elements (RoPE rotates pairs)");
  }
  // Outside these bounds cosines and sines are NaN or equal for all positions.
  spec.theta = read_number(rope.has("rope_theta") ? rope : config, "rope_theta", 10000.0, kMinTheta, kMaxTheta);
  const bool has_original = rope.has("original_max_position_embeddings");
  spec.original_max_positions =
      positive(has_original ? rope : config, "original_max_position_embeddings", context_length, kMaxTokens);
  // Without a factor, YaRN's factor is the ratio of the two context lengths.
  const double extension = static_cast<double>(context_length) / static_cast<double>(spec.original_max_positions);
  spec.factor = read_number(rope, "factor", spec.type == RopeType::kYarn ? extension : 1.0, kMinFactor, kMaxFactor);
  if (spec.type == RopeType::kLlama3) {
    spec.low_freq_factor = read_number(rope, "low_freq_factor", 1.0, kMinFactor, kMaxFactor);
    spec.high_freq_factor = read_number(rope, "high_freq_factor", 4.0, kMinFactor, kMaxFactor);
    if (spec.high_freq_factor <= spec.low_freq_factor) {
      rope.fail(rope.has("high_freq_factor") ? "high_freq_factor" : "low_freq_factor",
                "a high_freq_factor above low_freq_factor");
    }
  }
  if (spec.type == RopeType::kYarn) {
    spec.beta_fast = read_number(rope, "beta_fast", 32.0, kMinFactor, kMaxFactor);
    spec.beta_slow = read_number(rope, "beta_slow", 1.0, kMinFactor, kMaxFactor);
    if (spec.beta_fast < spec.beta_slow) {
      rope.fail(rope.has("beta_fast") ? "beta_fast" : "beta_slow", "a beta_fast of at least beta_slow");
    }
    spec.truncate = rope.boolean("truncate", true);
    spec.attention_factor = yarn_attention_factor(rope, spec.factor);
  }
  return spec;
}

namespace {

Activation read_activation(const JsonReader& config, const char* fallback) {
  static const std::map<std::string, Activation> kNames = {
      {"silu", Activation::kSilu},         {"swish", Activation::kSilu},
      {"gelu", Activation::kGelu},         {"gelu_new", Activation::kGeluTanh},
      {"relu", Activation::kRelu},         {"gelu_pytorch_tanh", Activation::kGeluTanh},
      {"relu2", Activation::kSquaredRelu}, {"gelu_fast", Activation::kGeluTanh}};
  const char* key = config.has("hidden_activation") ? "hidden_activation" : "hidden_act";
  const auto found = kNames.find(config.string(key, fallback));
  if (found != kNames.end()) return found->second;
  config.fail(key, "silu, gelu, gelu_new, gelu_pytorch_tanh, relu or relu2");
}

}  // namespace

DecoderConfig read_decoder_config(const JsonReader& config, const DecoderDefaults& defaults) {
  DecoderConfig c;
  c.model_type = config.string("model_type", "");
  c.vocab_size = positive(config, "vocab_size", 0, kMaxVocab);
  c.hidden_size = positive(config, "hidden_size", 0);
  c.intermediate_size = positive(config, "intermediate_size", 0);
  c.layers = positive(config, "num_hidden_layers", 0, kMaxLayers);
  c.heads = positive(config, "num_attention_heads", 0);
  c.kv_heads = positive(config, "num_key_value_heads", c.heads);
  c.head_dim = positive(config, "head_dim", defaults.head_dim > 0 ? defaults.head_dim : c.hidden_size / c.heads);
  c.context_length = positive(config, "max_position_embeddings", 2048, kMaxTokens);
  c.norm_eps = static_cast<float>(read_number(config, defaults.eps_key, defaults.eps, 0.0, 1.0));
  c.activation = read_activation(config, defaults.activation);
  c.tied_head = config.boolean("tie_word_embeddings", defaults.tied_head);
  if (c.heads % c.kv_heads != 0) config.fail("num_key_value_heads", "a divisor of num_attention_heads");
  if (c.head_dim % 2 != 0) config.fail("head_dim", "an even size (RoPE rotates pairs)");
  c.rope = read_rope(config, c.context_length, c.head_dim, defaults.partial_rotary_factor);
  return c;
}

int64_t read_window(const JsonReader& config, int64_t fallback) {
  if (config.integer("sliding_window", fallback) == 0) return 0;
  return positive(config, "sliding_window", fallback, kMaxTokens);
}

std::vector<int64_t> read_layer_windows(const JsonReader& config, int64_t layers, int64_t window,
                                        const std::function<bool(int64_t layer)>& slides) {
  const Json* types = config.find("layer_types");
  if (types != nullptr && (!types->is_array() || static_cast<int64_t>(types->size()) != layers)) {
    config.fail("layer_types", "one entry for each layer");
  }
  std::vector<int64_t> windows;
  for (int64_t layer = 0; layer < layers; ++layer) {
    const bool sliding = types != nullptr ? (*types)[static_cast<size_t>(layer)] == "sliding_attention" : slides(layer);
    windows.push_back(sliding ? window : 0);
  }
  return windows;
}

std::vector<int> read_token_ids(const JsonReader& config, const char* key) {
  const Json* value = config.find(key);
  std::vector<int> ids;
  if (value == nullptr) return ids;
  if (value->is_number_integer()) return {value->get<int>()};
  if (!value->is_array()) config.fail(key, "a token id or a list of them");
  for (const Json& id : *value) {
    if (!id.is_number_integer()) config.fail(key, "a list of token ids");
    ids.push_back(id.get<int>());
  }
  return ids;
}

void warn_about_unread_fields(const JsonReader& config) {
  // Without effect on the forward pass, or only in combination with other fields.
  static const std::set<std::string> kHarmless = {
      "rms_norm_eps",      "rope_theta",         "rope_scaling",      "rope_parameters",
      "sliding_window",    "use_sliding_window", "max_window_layers", "original_max_position_embeddings",
      "layer_types",       "initializer_range",  "attention_dropout", "rope_interleaved",
      "num_logits_to_keep"};
  static const std::array<const char*, 6> kSuspicious = {"scal", "cap", "bias", "window", "norm", "rope"};
  for (const auto& [key, value] : config.json().items()) {
    if (config.was_read(key) || kHarmless.count(key) || value.is_null() || value == Json(false)) continue;
    for (const char* part : kSuspicious) {
      if (key.find(part) == std::string::npos) continue;
      warn(config.what() + ": the field \"" + key + "\" = " + value.dump() +
           " is not known to this version and is ignored; results may differ from the original model");
      break;
    }
  }
}

}  // namespace gptq::model
