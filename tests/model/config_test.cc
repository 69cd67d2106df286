// Reading config.json: impossible values are refused by name before anything is allocated or computed from them.
#include "core/json.h"
#include "model/families.h"

#include <sys/resource.h>

#include <cmath>

#include "tests/checkpoint/model_files.h"

namespace gptq::model {
namespace {

Json plain_config(const char* type = "llama") {
  return {
      {"model_type", type},     {"vocab_size", 64},         {"hidden_size", 16},    {"intermediate_size", 32},
      {"num_hidden_layers", 2}, {"num_attention_heads", 4}, {"rms_norm_eps", 1e-5}, {"max_position_embeddings", 128}};
}

void expect_refused(const Json& config, const std::string& key) {
  testing::expect_error(ErrorKind::kVerification, {"m/config.json", "\"" + key + "\""},
                        [&] { read_architecture(config, "m/config.json"); });
}

void expect_refused_with(const char* key, const Json& value) {
  Json config = plain_config();
  config[key] = value;
  expect_refused(config, key);
}

TEST(Config, SizesHaveLimits) {
  EXPECT_EQ(read_architecture(plain_config(), "config.json").program_of_layer, (std::vector<int>{0, 0}));
  for (const char* key : {"vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                          "num_key_value_heads", "head_dim", "max_position_embeddings"}) {
    for (const int64_t value : {int64_t{0}, int64_t{-1}, int64_t{1} << 31, INT64_MAX}) expect_refused_with(key, value);
    if (std::string(key) != "max_position_embeddings") expect_refused_with(key, 1'000'000'000);
  }
  Json window = plain_config("mistral");
  for (const int64_t value : {int64_t{-1}, int64_t{1} << 40}) {
    window["sliding_window"] = value;
    expect_refused(window, "sliding_window");
  }
  window["sliding_window"] = 0;
  EXPECT_EQ(read_architecture(window, "config.json").program(1).attention().window, 0);
  window["sliding_window"] = 33;
  EXPECT_EQ(read_architecture(window, "config.json").program(1).attention().window, 33);
}

TEST(Config, LayersAreCheckedBeforeTheyAreAllocated) {
  const auto peak = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;  // KiB
  };
  const long before = peak();
  expect_refused_with("num_hidden_layers", 1'000'000'000);
  EXPECT_LT(peak() - before, 100 * 1024);
}

TEST(Config, NormsAndThetaAreSensibleNumbers) {
  for (const double value : {-1.0, -1e-30, 2.0, 1e300, static_cast<double>(INFINITY), static_cast<double>(NAN)})
    expect_refused_with("rms_norm_eps", value);
  for (const double value :
       {1e-308, 0.0, -1.0, 0.5, 1.0, 1e300, static_cast<double>(INFINITY), static_cast<double>(NAN)})
    expect_refused_with("rope_theta", value);
  Json config = plain_config();
  config["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 1e-308}};
  expect_refused(config, "rope_theta");
  config["rope_parameters"]["rope_theta"] = 5e5;
  EXPECT_EQ(read_architecture(config, "config.json").ropes[0].theta, 5e5);
}

TEST(Config, RopeExtensionsAreSensibleNumbers) {
  const auto refused = [](Json rope, const char* key, const Json& value) {
    Json config = plain_config();
    config["rope_scaling"] = rope;
    EXPECT_NO_THROW(read_architecture(config, "config.json"));
    config["rope_scaling"][key] = value;
    expect_refused(config, key);
  };
  const Json yarn = {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 32}};
  for (const char* key : {"beta_fast", "beta_slow", "factor", "attention_factor"}) {
    for (const double value : {0.0, -1.0, 1e-308, 1e308, static_cast<double>(NAN)}) refused(yarn, key, value);
  }
  refused(yarn, "beta_slow", 64);  // more than beta_fast
  refused(yarn, "mscale", -1);
  for (const int64_t value : {int64_t{0}, int64_t{-5}, int64_t{1} << 40})
    refused(yarn, "original_max_position_embeddings", value);
  const Json llama3 = {{"rope_type", "llama3"}, {"factor", 8.0}, {"low_freq_factor", 1.0}, {"high_freq_factor", 4.0}};
  for (const char* key : {"low_freq_factor", "high_freq_factor"}) refused(llama3, key, 0.0);
  refused(llama3, "high_freq_factor", 1.0);  // the ramp would have no width
  refused({{"type", "linear"}, {"factor", 2.0}}, "factor", 1e-308);
}

}  // namespace
}  // namespace gptq::model
