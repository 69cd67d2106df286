// Quantization configs of every writer, the rules for single modules, and what must be refused.
#include "checkpoint/quantize_config.h"
#include "core/json.h"

#include "tests/checkpoint/model_files.h"

namespace gptq::checkpoint {
namespace {

using testing::expect_error;

QuantizeConfig parse(const std::string& text) {
  return parse_quantize_config(parse_ordered_json(text, "q.json"), "q.json");
}

TEST(QuantizeConfig, AutoGptq) {
  const QuantizeConfig config = parse(R"({
    "bits": 4, "group_size": 128, "damp_percent": 0.02, "desc_act": true, "static_groups": true, "sym": false,
    "true_sequential": false, "model_name_or_path": null, "model_file_base_name": "abc", "is_marlin_format": false,
    "quant_method": "gptq"})");
  EXPECT_EQ(config.bits, 4);
  EXPECT_EQ(config.group_size, 128);
  EXPECT_EQ(config.damp_percent, 0.02);
  EXPECT_TRUE(config.desc_act);
  EXPECT_TRUE(config.static_groups);
  EXPECT_FALSE(config.sym);
  EXPECT_FALSE(config.true_sequential);
  EXPECT_EQ(config.model_file_base_name, "abc");
  EXPECT_EQ(config.format, CheckpointFormat::kGptq);
  EXPECT_TRUE(config.unknown_keys.empty());
  EXPECT_EQ(config.quantizer(), "");
}

TEST(QuantizeConfig, GptqModel) {
  const QuantizeConfig config = parse(R"({
    "bits": 8, "group_size": 32, "desc_act": false, "lm_head": true, "method": "GPTQ", "quant_method": "gptq",
    "format": "gptq_v2", "checkpoint_format": "gptq_v2", "pack_dtype": "int32", "sym": true, "surprise": 1,
    "dynamic": {"+:.*\\.1\\..*": {"bits": 3, "group_size": -1}, "-:.*mlp.*": {}},
    "meta": {"quantizer": ["gptqmodel:7.4.0"], "damp_percent": 0.05, "true_sequential": false, "static_groups": true}})");
  EXPECT_EQ(config.bits, 8);
  EXPECT_EQ(config.format, CheckpointFormat::kGptqV2);
  EXPECT_TRUE(config.lm_head);
  EXPECT_EQ(config.damp_percent, 0.05);
  EXPECT_FALSE(config.true_sequential);
  EXPECT_TRUE(config.static_groups);
  EXPECT_EQ(config.quantizer(), "gptqmodel:7.4.0");
  EXPECT_EQ(config.unknown_keys, std::vector<std::string>{"surprise"});
  ASSERT_EQ(config.dynamic.size(), 2u);
  EXPECT_FALSE(config.dynamic[0].skip);
  EXPECT_EQ(config.dynamic[0].pattern, R"(.*\.1\..*)");
  EXPECT_TRUE(config.dynamic[1].skip);
}

TEST(QuantizeConfig, Transformers) {
  const QuantizeConfig config = parse(R"({
    "bits": 4, "group_size": 128, "damp_percent": 0.1, "desc_act": false, "sym": true, "true_sequential": true,
    "quant_method": "gptq", "checkpoint_format": "gptq", "dataset": ["a"], "tokenizer": null, "backend": "auto",
    "use_exllama": true, "exllama_config": {"version": 1}, "batch_size": 1, "model_seqlen": 2048,
    "meta": {"quantizer": ["optimum:1.2", "gptqmodel:4.0"]},
    "modules_in_block_to_quantize": [["self_attn.q_proj", "self_attn.k_proj"], ["mlp.down_proj"]]})");
  EXPECT_EQ(config.quantizer(), "optimum:1.2, gptqmodel:4.0");
  ASSERT_EQ(config.modules_in_block_to_quantize.size(), 2u);
  EXPECT_EQ(config.modules_in_block_to_quantize[0][1], "self_attn.k_proj");
  EXPECT_TRUE(config.unknown_keys.empty());
}

TEST(QuantizeConfig, SynonymsAndDefaults) {
  const QuantizeConfig config = parse(R"({"w_bit": 2, "q_group_size": 64})");
  EXPECT_EQ(config.bits, 2);
  EXPECT_EQ(config.group_size, 64);
  EXPECT_TRUE(config.sym);
  EXPECT_EQ(parse(R"({"bits": 4})").group_size, -1);
  EXPECT_EQ(parse(R"({"bits": 4, "format": "gptq_v2"})").format, CheckpointFormat::kGptqV2);
  EXPECT_EQ(parse(R"({"bits": 4, "modules_in_block_to_quantize": ["a", "b"]})").modules_in_block_to_quantize,
            (std::vector<std::vector<std::string>>{{"a", "b"}}));
}

TEST(QuantizeConfig, Refusals) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"[]", "expected a JSON object"},
      {"{}", "\"bits\""},
      {R"({"bits": 5})", "2, 3, 4 or 8"},
      {R"({"bits": "4"})", "\"bits\""},
      {R"({"bits": 4, "group_size": 0})", "\"group_size\""},
      {R"({"bits": 4, "group_size": -2})", "\"group_size\""},
      {R"({"bits": 4, "group_size": 99999999999})", "\"group_size\""},
      {R"({"bits": 4, "sym": "yes"})", "\"sym\""},
      {R"({"bits": 4, "quant_method": "awq"})", "awq"},
      {R"({"bits": 4, "method": "bitsandbytes"})", "bitsandbytes"},
      {R"({"w_bit": 4, "q_group_size": 128, "zero_point": true, "version": "GEMM"})", "AWQ"},
      {R"({"bits": 4, "is_marlin_format": true})", "Marlin"},
      {R"({"bits": 4, "checkpoint_format": "marlin"})", "Marlin"},
      {R"({"bits": 4, "checkpoint_format": "bitblas"})", "BitBLAS"},
      {R"({"bits": 4, "checkpoint_format": "gemm"})", "AWQ"},
      {R"({"bits": 4, "format": "gptq_p"})", "planar"},
      {R"({"bits": 4, "format": "new"})", "new"},
      {R"({"bits": 4, "format": "gptq", "checkpoint_format": "gptq_v2"})", "the same as"},
      {R"({"bits": 4, "pack_dtype": "int64"})", "int64"},
      {R"({"bits": 4, "dynamic": [1]})", "\"dynamic\""},
      {R"({"bits": 4, "dynamic": {"(": {}}})", "regular expression"},
      {R"({"bits": 4, "dynamic": {"a": 3}})", "object"},
      {R"({"bits": 4, "dynamic": {"a": {"bits": 7}}})", "\"bits\" is 7"},
      {R"({"bits": 4, "meta": "x"})", "\"meta\""},
      {R"({"bits": 4, "modules_in_block_to_quantize": {"a": 1}})", "modules_in_block_to_quantize"},
      {R"({"bits": 4, "modules_in_block_to_quantize": [["a"], 1]})", "modules_in_block_to_quantize"},
      {R"({"bits": 4, "modules_in_block_to_quantize": [[1]]})", "modules_in_block_to_quantize"},
  };
  for (const auto& [text, complaint] : cases) {
    expect_error(ErrorKind::kVerification, {"q.json", complaint}, [&text = text] { parse(text); });
  }
}

TEST(QuantizeConfig, Rules) {
  const QuantizeConfig config = parse(R"({"bits": 4, "group_size": 128, "desc_act": true, "dynamic": {
    "model\\.layers\\.1\\.": {"bits": 8},
    "+:model\\.layers\\.[0-9]+\\.mlp": {"bits": 2, "group_size": 32, "sym": false, "desc_act": false},
    "-:.*down_proj": {}}})");
  const auto plain = config.settings_for("model.layers.0.self_attn.q_proj");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->bits, 4);
  EXPECT_EQ(plain->group_size, 128);
  EXPECT_TRUE(plain->sym);
  EXPECT_TRUE(plain->desc_act);
  // The first override in the file's order wins, even where a later one matches too.
  EXPECT_EQ(config.settings_for("model.layers.1.mlp.up_proj")->bits, 8);
  EXPECT_EQ(config.settings_for("model.layers.1.mlp.up_proj")->group_size, 128);
  const auto mlp = config.settings_for("model.layers.2.mlp.up_proj");
  EXPECT_EQ(mlp->bits, 2);
  EXPECT_EQ(mlp->group_size, 32);
  EXPECT_FALSE(mlp->sym);
  EXPECT_FALSE(mlp->desc_act);
  // A skip is a rule like the others: it decides where it is the first one that matches.
  EXPECT_EQ(config.settings_for("model.layers.1.mlp.down_proj")->bits, 8);
  EXPECT_FALSE(config.settings_for("decoder.down_proj"));
  // Patterns are anchored at the start only.
  EXPECT_EQ(config.settings_for("xmodel.layers.1.mlp.up_proj")->bits, 4);
}

TEST(QuantizeConfig, ASkipInFrontOfAnOverrideWins) {
  const QuantizeConfig config = parse(R"({"bits": 4, "dynamic": {
    "+:.*\\.0\\..*down_proj": {"bits": 8}, "-:.*down_proj": {}, ".*": {"bits": 2}}})");
  EXPECT_EQ(config.settings_for("model.layers.0.mlp.down_proj")->bits, 8);
  EXPECT_FALSE(config.settings_for("model.layers.1.mlp.down_proj"));
  EXPECT_EQ(config.settings_for("model.layers.1.mlp.up_proj")->bits, 2);
  const QuantizeConfig again = parse(to_json(config).dump());
  EXPECT_EQ(again.settings_for("model.layers.0.mlp.down_proj")->bits, 8);
  EXPECT_FALSE(again.settings_for("model.layers.1.mlp.down_proj"));
}

TEST(QuantizeConfig, RoundTrip) {
  QuantizeConfig config;
  config.bits = 3;
  config.group_size = 64;
  config.sym = false;
  config.desc_act = true;
  config.format = CheckpointFormat::kGptqV2;
  config.damp_percent = 0.05;
  config.modules_in_block_to_quantize = {{"a", "b"}, {"c"}};
  *config.meta = {{"quantizer", {"gptq:0.1.0"}}};
  config.dynamic = {{"z.*", false, 8, std::nullopt, true, std::nullopt}, {"y.*", true, {}, {}, {}, {}}};
  const OrderedJson json = to_json(config);
  EXPECT_EQ(json.dump(),
            R"({"bits":3,"group_size":64,"desc_act":true,"sym":false,"lm_head":false,"quant_method":"gptq",)"
            R"("checkpoint_format":"gptq_v2","pack_dtype":"int32","true_sequential":true,"static_groups":false,)"
            R"("damp_percent":0.05,"modules_in_block_to_quantize":[["a","b"],["c"]],)"
            R"("dynamic":{"+:z.*":{"bits":8,"sym":true},"-:y.*":{}},"meta":{"quantizer":["gptq:0.1.0"]}})");
  const QuantizeConfig again = parse_quantize_config(json, "again");
  EXPECT_EQ(to_json(again), json);
  EXPECT_TRUE(again.unknown_keys.empty());
  EXPECT_FALSE(to_json(QuantizeConfig{}).contains("dynamic"));
  // Two spellings of one pattern: the first wins when read, so it is the one that is written.
  EXPECT_EQ(to_json(parse(R"({"bits":4,"dynamic":{"a":{"bits":2},"+:a":{"bits":8}}})"))["dynamic"].dump(),
            R"({"+:a":{"bits":2}})");
  EXPECT_FALSE(to_json(QuantizeConfig{}).contains("modules_in_block_to_quantize"));
}

}  // namespace
}  // namespace gptq::checkpoint
