// Rules and group sizes: what each linear gets, and what the saved rules say to other readers.
#include "quantize/module_plan.h"

#include <gtest/gtest.h>

#include "tests/checkpoint/model_files.h"
#include "tests/model/architectures.h"

namespace gptq::quantization {
namespace {

using testing::expect_error;

model::Architecture model(int64_t hidden, int64_t intermediate) {
  return testing::llama_architecture({hidden, intermediate, 2, hidden / 64, hidden / 64});
}

QuantizeOptions with_rules(const std::vector<std::string>& rules) {
  QuantizeOptions options;
  for (const std::string& text : rules) {
    if (text.rfind("skip ", 0) != 0) {
      options.rules.push_back(ModuleRule::parse(text));
    } else {
      options.rules.emplace_back();
      options.rules.back().pattern = text.substr(5);
      options.rules.back().skip = true;
    }
  }
  return options;
}

const std::optional<GridOptions>& grid(const ModelPlan& plan, size_t layer, size_t set) {
  return plan.layers[layer].sets[set].grid;
}

TEST(GroupSize, IsTheLargestThatDividesWhereNoneIsGiven) {
  struct Case {
    int64_t hidden, intermediate;
    int size;
  };
  for (const Case& c : {Case{256, 768, 128}, {576, 1536, 64}, {256, 864, 32}, {320, 96, 32}}) {
    const QuantizeOptions options;
    const ModelPlan plan = plan_modules(model(c.hidden, c.intermediate), options);
    EXPECT_EQ(plan.defaults.group_size, c.size) << c.hidden;
    EXPECT_EQ(grid(plan, 1, 3)->group_size, c.size);
    EXPECT_EQ(make_quantize_config(plan, options).group_size, c.size);
    ASSERT_EQ(plan.notes.size(), c.size == 128 ? 0u : 1u);
    if (c.size == 128) continue;
    EXPECT_EQ(plan.notes[0].rfind("groups of " + std::to_string(c.size) + ": 128 does not divide", 0), 0u)
        << plan.notes[0];
  }
  const std::string note = plan_modules(model(576, 1536), {}).notes[0];
  EXPECT_NE(note.find("576 inputs of model.layers.0.self_attn.q_proj"), std::string::npos) << note;
}

TEST(GroupSize, LooksOnlyAtLinearsWithoutOneOfTheirOwn) {
  QuantizeOptions options = with_rules({".*down_proj:group_size=32"});
  ModelPlan plan = plan_modules(model(256, 864), options);
  EXPECT_EQ(plan.defaults.group_size, 128);
  EXPECT_EQ(grid(plan, 0, 3)->group_size, 32);
  EXPECT_TRUE(plan.notes.empty());
  EXPECT_EQ(plan_modules(model(256, 864), with_rules({"skip .*down_proj"})).defaults.group_size, 128);
  EXPECT_EQ(plan_modules(model(256, 864), with_rules({".*down_proj:bits=8"})).defaults.group_size, 32);
}

TEST(GroupSize, GivenOnesAreTakenOrRefused) {
  QuantizeOptions options;
  options.grid.group_size = 128;
  expect_error(ErrorKind::kUsage, {"model.layers.0.self_attn.q_proj", "128 does not divide", "576 inputs", "64, 32"},
               [&] { plan_modules(model(576, 1536), options); });
  options.grid.group_size = -1;
  EXPECT_EQ(plan_modules(model(576, 1536), options).defaults.group_size, -1);
  expect_error(ErrorKind::kUsage, {"group_size is 0"},
               [&] { plan_modules(model(256, 768), with_rules({".*:group_size=0"})); });
}

TEST(Rules, TheFirstMatchDecides) {
  const QuantizeOptions options = with_rules({".*\\.0\\..*down_proj:bits=8", "skip .*down_proj", ".*:bits=3"});
  const ModelPlan plan = plan_modules(model(256, 768), options);
  EXPECT_EQ(grid(plan, 0, 3)->bits, 8);
  EXPECT_FALSE(grid(plan, 1, 3));
  EXPECT_EQ(grid(plan, 1, 0)->bits, 3);
  const checkpoint::QuantizeConfig config = make_quantize_config(plan, options);
  EXPECT_EQ(config.dynamic.size(), 3u);  // as they were given
  EXPECT_EQ(config.settings_for("model.layers.0.mlp.down_proj")->bits, 8);
  EXPECT_FALSE(config.settings_for("model.layers.1.mlp.down_proj"));
}

// vLLM and SGLang run q, k and v as one linear and look rules up under its name.
TEST(Rules, AreFoundUnderTheNamesOfFusedLinears) {
  const QuantizeOptions options =
      with_rules({".*q_proj:bits=8", "skip .*\\.0\\.mlp\\.up_proj", "model\\.layers\\.1\\.mlp\\.gate_proj:bits=2"});
  const checkpoint::QuantizeConfig config = make_quantize_config(plan_modules(model(256, 768), options), options);
  EXPECT_EQ(config.settings_for("model.layers.0.self_attn.qkv_proj")->bits, 8);
  EXPECT_EQ(config.settings_for("model.layers.0.self_attn.v_proj")->bits, 8);
  EXPECT_FALSE(config.settings_for("model.layers.0.mlp.gate_up_proj"));
  EXPECT_FALSE(config.settings_for("model.layers.0.mlp.gate_proj"));
  EXPECT_EQ(config.settings_for("model.layers.1.mlp.gate_up_proj")->bits, 4);
  EXPECT_EQ(config.settings_for("model.layers.1.self_attn.o_proj")->bits, 4);
}

TEST(Rules, MistakesSayWhatToWrite) {
  const auto expect_hint = [](const std::string& rule, const std::vector<std::string>& parts) {
    expect_error(ErrorKind::kUsage, parts, [&] { plan_modules(model(256, 768), with_rules({rule})); });
  };
  expect_hint("skip *down_proj", {"\"*down_proj\"", "regular expressions", "'.*down_proj'"});
  expect_hint("*.mlp.*:bits=8", {"regular expressions", "'.*.mlp.*'"});
  expect_hint("skip **", {"'.*.*'"});
  expect_hint("skip (", {"\"(\""});
  expect_hint("skip down_proj", {"matches no module", "from their start", "'.*down_proj'"});
  expect_hint("skip lm_head", {"matches no module", "model.layers.0.mlp.down_proj"});
}

}  // namespace
}  // namespace gptq::quantization
