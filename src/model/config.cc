// config.json in both dialects.
#include "model/config.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <set>

#include <gptq/error.h>

#include "core/json.h"
#include "core/log.h"

namespace gptq {

namespace {

constexpr int64_t kMaxLayers = 10000;
constexpr int64_t kMaxSize = 1 << 24;      // of vectors and of counts of heads
constexpr int64_t kMaxVocab = 1 << 28;     // rows of a table
constexpr int64_t kMaxTokens = INT32_MAX;  // of contexts and windows

// A size between 1 and `largest`, checked before anything is allocated by it.
int64_t positive(const JsonReader& config, const char* key, int64_t fallback, int64_t largest = kMaxSize) {
  const int64_t value = config.integer(key, fallback);
  if (value >= 1 && value <= largest) return value;
  if (config.has(key)) config.fail(key, "a size from 1 to " + std::to_string(largest));
  throw Error(ErrorKind::kVerification, "reading " + config.what() + ": the key \"" + key + "\" is missing");
}

// A number between two bounds, which belong to the range.
double within(const JsonReader& config, const char* key, double fallback, double low, double high) {
  const double value = config.number(key, fallback);
  if (value >= low && value <= high) return value;
  if (!config.has(key)) {
    throw Error(ErrorKind::kVerification, "reading " + config.what() + ": \"" + key + "\", which follows from other " +
                                              "keys, is " + Json(value).dump() + "; give it, or correct those");
  }
  config.fail(key, "a number from " + Json(low).dump() + " to " + Json(high).dump());
}

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
  if (rope.has("attention_factor")) return within(rope, "attention_factor", 1.0, 1e-3, 1e3);
  const double mscale = within(rope, "mscale", 0.0, 0.0, 1e3), all_dims = within(rope, "mscale_all_dim", 0.0, 0.0, 1e3);
  if (mscale != 0.0 && all_dims != 0.0) return yarn_scale(factor, mscale) / yarn_scale(factor, all_dims);
  return yarn_scale(factor, 1.0);
}

}  // namespace

RopeSpec read_rope(const JsonReader& config, int64_t context_length) {
  static const Json kNone = Json::object();
  const Json* v5 = config.find("rope_parameters");
  const Json* v4 = config.find("rope_scaling");
  const JsonReader rope(v5 != nullptr   ? *v5
                        : v4 != nullptr ? *v4
                                        : kNone,
                        config.what() + (v5 != nullptr ? ": rope_parameters" : ": rope_scaling"));
  RopeSpec spec;
  spec.type = rope_type(rope);
  // Beyond these bounds cosines and sines are no numbers, or the same for every position.
  spec.theta = within(rope.has("rope_theta") ? rope : config, "rope_theta", 10000.0, kMinTheta, kMaxTheta);
  const bool has_original = rope.has("original_max_position_embeddings");
  spec.original_max_positions =
      positive(has_original ? rope : config, "original_max_position_embeddings", context_length, kMaxTokens);
  // Without a factor, YaRN's extension is what the two context lengths say.
  const double extension = static_cast<double>(context_length) / static_cast<double>(spec.original_max_positions);
  spec.factor = within(rope, "factor", spec.type == RopeType::kYarn ? extension : 1.0, kMinFactor, kMaxFactor);
  if (spec.type == RopeType::kLlama3) {
    spec.low_freq_factor = within(rope, "low_freq_factor", 1.0, kMinFactor, kMaxFactor);
    spec.high_freq_factor = within(rope, "high_freq_factor", 4.0, kMinFactor, kMaxFactor);
    if (spec.high_freq_factor <= spec.low_freq_factor) {
      rope.fail(rope.has("high_freq_factor") ? "high_freq_factor" : "low_freq_factor",
                "a high_freq_factor above low_freq_factor");
    }
  }
  if (spec.type == RopeType::kYarn) {
    spec.beta_fast = within(rope, "beta_fast", 32.0, kMinFactor, kMaxFactor);
    spec.beta_slow = within(rope, "beta_slow", 1.0, kMinFactor, kMaxFactor);
    if (spec.beta_fast < spec.beta_slow) {
      rope.fail(rope.has("beta_fast") ? "beta_fast" : "beta_slow", "a beta_fast of at least beta_slow");
    }
    spec.truncate = rope.boolean("truncate", true);
    spec.attention_factor = yarn_attention_factor(rope, spec.factor);
  }
  return spec;
}

Architecture read_common(const JsonReader& config) {
  Architecture a;
  a.model_type = config.string("model_type", "");
  a.vocab_size = positive(config, "vocab_size", 0, kMaxVocab);
  a.hidden_size = positive(config, "hidden_size", 0);
  a.intermediate_size = positive(config, "intermediate_size", 0);
  a.layers = positive(config, "num_hidden_layers", 0, kMaxLayers);
  a.heads = positive(config, "num_attention_heads", 0);
  a.kv_heads = positive(config, "num_key_value_heads", a.heads);
  a.head_dim = positive(config, "head_dim", a.hidden_size / a.heads);
  a.context_length = positive(config, "max_position_embeddings", 2048, kMaxTokens);
  a.rms_norm_eps = static_cast<float>(within(config, "rms_norm_eps", 1e-6, 0.0, 1.0));
  a.tied_head = config.boolean("tie_word_embeddings", false);
  a.rope = read_rope(config, a.context_length);
  a.windows.assign(static_cast<size_t>(a.layers), 0);
  if (a.heads % a.kv_heads != 0) config.fail("num_key_value_heads", "a divisor of num_attention_heads");
  if (a.head_dim % 2 != 0) config.fail("head_dim", "an even size (RoPE rotates pairs)");
  const std::string activation = config.string("hidden_act", config.string("hidden_activation", "silu"));
  if (activation != "silu" && activation != "swish") config.fail("hidden_act", "\"silu\"");
  return a;
}

int64_t read_window(const JsonReader& config, int64_t fallback) {
  if (config.integer("sliding_window", fallback) == 0) return 0;
  return positive(config, "sliding_window", fallback, kMaxTokens);
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

void warn_about_unknown_fields(const JsonReader& config) {
  // Read by us, or known to leave the forward pass alone.
  static const std::set<std::string> kKnown = {"rms_norm_eps",      "rope_theta",
                                               "rope_scaling",      "rope_parameters",
                                               "sliding_window",    "use_sliding_window",
                                               "max_window_layers", "attention_bias",
                                               "mlp_bias",          "original_max_position_embeddings",
                                               "layer_types",       "initializer_range",
                                               "attention_dropout", "rope_interleaved",
                                               "num_logits_to_keep"};
  static const std::array<const char*, 6> kSuspicious = {"scal", "cap", "bias", "window", "norm", "rope"};
  for (const auto& [key, value] : config.json().items()) {
    if (kKnown.count(key) || value.is_null() || value == Json(false)) continue;
    for (const char* part : kSuspicious) {
      if (key.find(part) == std::string::npos) continue;
      warn(config.what() + ": the field \"" + key + "\" = " + value.dump() +
           " is not known to this version and is ignored; results may differ from the original model");
      break;
    }
  }
}

}  // namespace gptq
