// Layer programs of the families: which linears share an input, where a pass may restart, and which slots share memory.
#include <gtest/gtest.h>

#include "core/json.h"
#include "tests/model/architectures.h"

namespace gptq::model {
namespace {

Json small_config(const char* type) {
  return {{"model_type", type},     {"vocab_size", 64},         {"hidden_size", 64},       {"intermediate_size", 96},
          {"num_hidden_layers", 2}, {"num_attention_heads", 4}, {"num_key_value_heads", 2}};
}

LayerProgram program_of(const char* type, int64_t layer = 0) {
  return read_architecture(small_config(type), "config.json").program(layer);
}

std::vector<int> restarts(const LayerProgram& program) {
  std::vector<int> result;
  for (size_t set = 0; set < program.linear_sets.size(); ++set) {
    result.push_back(program.restart_before(static_cast<int>(set)));
  }
  return result;
}

// Slots that are alive at the same time have memory of their own, and what is alive in front of a set is kept.
void expect_sound_buffers(const LayerProgram& program) {
  std::vector<std::pair<int, int>> lives(program.slots.size(), {program.end(), -1});
  for (int step = 0; step < program.end(); ++step) {
    const backend::Access access = backend::access_of(program, program.steps[static_cast<size_t>(step)]);
    for (const auto* list : {&access.reads, &access.writes}) {
      for (const Columns& c : *list) {
        auto& [first, last] = lives[static_cast<size_t>(c.slot)];
        first = std::min(first, step);
        last = std::max(last, step);
      }
    }
  }
  for (size_t a = 1; a < lives.size(); ++a) {
    const backend::Slot& slot = program.slots[a];
    ASSERT_GE(slot.buffer, 0);
    EXPECT_GE(program.buffers[static_cast<size_t>(slot.buffer)], slot.columns);
    for (size_t b = a + 1; b < lives.size(); ++b) {
      const bool together = lives[a].first <= lives[b].second && lives[b].first <= lives[a].second;
      EXPECT_FALSE(together && slot.buffer == program.slots[b].buffer) << slot.name << ", " << program.slots[b].name;
    }
    for (size_t set = 0; set < program.linear_sets.size(); ++set) {
      const int at = program.step_of(static_cast<int>(set));
      if (lives[a].first < at && lives[a].second >= at) {
        EXPECT_LT(slot.buffer, program.kept_buffers) << slot.name;
      }
    }
  }
}

TEST(LayerProgram, OfLlama) {
  const LayerProgram p = program_of("llama");
  ASSERT_EQ(p.linear_sets.size(), 4u);
  EXPECT_EQ(p.linear_sets[0].linears.size(), 3u);
  EXPECT_EQ(p.linear_sets[2].fused_names, std::vector<std::string>{"mlp.gate_up_proj"});
  const int second_norm = p.step_of(2) - 1;
  EXPECT_EQ(restarts(p), (std::vector<int>{0, 0, second_norm, second_norm}));
  EXPECT_EQ(p.first_set_from(0), 0);
  EXPECT_EQ(p.first_set_from(p.step_of(0)), 0);
  EXPECT_EQ(p.first_set_from(p.step_of(0) + 1), 1);
  EXPECT_EQ(p.first_set_from(second_norm), 2);
  EXPECT_EQ(p.kept_buffers, 1);
  EXPECT_EQ(p.buffers, (std::vector<int64_t>{96, 192})) << "the inputs of linears, and what they give";
  expect_sound_buffers(p);
}

TEST(LayerProgram, OfGemma2) {
  const LayerProgram p = program_of("gemma2");
  const int second_half = p.step_of(2) - 1;
  EXPECT_EQ(restarts(p), (std::vector<int>{0, 0, second_half, second_half}));
  EXPECT_EQ(p.attention().window, 4096);
  EXPECT_EQ(program_of("gemma2", 1).attention().window, 0);
  for (const Parameter& norm : p.parameters) EXPECT_EQ(norm.offset, 1.0f) << norm.name;
  expect_sound_buffers(p);
}

TEST(LayerProgram, OfPhiSharesOneInputBetweenAttentionAndFeedForward) {
  const LayerProgram p = program_of("phi");
  ASSERT_EQ(p.linear_sets.size(), 3u);
  EXPECT_EQ(p.linear_sets[0].linears.size(), 4u);
  EXPECT_EQ(p.linear_sets[0].linears.back().name, "mlp.fc1");
  EXPECT_EQ(restarts(p), (std::vector<int>{0, 0, 0})) << "nothing but the layer's input has all that fc2 needs";
  expect_sound_buffers(p);
}

TEST(LayerProgram, LayersWithTheSameWindowShareOne) {
  Json config = small_config("gemma2");
  config["num_hidden_layers"] = 5;
  const Architecture a = read_architecture(config, "config.json");
  EXPECT_EQ(a.programs.size(), 2u);
  EXPECT_EQ(a.program_of_layer, (std::vector<int>{0, 1, 0, 1, 0}));
}

}  // namespace
}  // namespace gptq::model
