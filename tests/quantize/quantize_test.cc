// The whole verb on the demo model: what it writes, that it repeats itself, and that it goes on where it stopped.
#include <gtest/gtest.h>

#include <gptq/engine.h>

#include <algorithm>
#include <cmath>

#include "checkpoint/packed_format.h"
#include "core/json.h"
#include "tests/quantize/demo_model.h"

namespace gptq::quantization {

using checkpoint::Checkpoint;

namespace {

using testing::contents;
using testing::quick_options;
using testing::TempFolder;

constexpr int kModules = 6 * 7;

TEST(Quantize, WritesACompleteFolderThatLoads) {
  const TempFolder folder;
  const QuantizeReport report = quantize(quick_options(folder / "out"));
  EXPECT_EQ(report.modules.size(), kModules);
  EXPECT_FALSE(fs::exists(folder / "out.partial"));
  const auto files = contents(folder / "out");
  for (const char* name : {"config.json", "quantize_config.json", "model.safetensors", "tokenizer.json",
                           "tokenizer_config.json", "generation_config.json"}) {
    EXPECT_TRUE(files.count(name)) << name;
  }
  EXPECT_EQ(files.size(), 6u);
  EXPECT_EQ(files.at("tokenizer.json"), read_file(testing::demo_model() / "tokenizer.json"));

  const Checkpoint checkpoint = Checkpoint::open(folder / "out");
  EXPECT_EQ(checkpoint.total_bytes(), static_cast<uint64_t>(report.bytes_out));
  ASSERT_TRUE(checkpoint.quantize_config().has_value());
  EXPECT_EQ(checkpoint.quantize_config()->bits, 4);
  EXPECT_EQ(checkpoint.quantize_config()->format, checkpoint::CheckpointFormat::kGptq);
  const Checkpoint source = Checkpoint::open(testing::demo_model());
  for (const char* kept : {"model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"}) {
    EXPECT_EQ(testing::raw_bytes(checkpoint.tensor(kept)), testing::raw_bytes(source.tensor(kept))) << kept;
  }
  EXPECT_FALSE(checkpoint.contains("model.layers.0.mlp.up_proj.weight"));
  Engine engine = Engine::open(folder / "out");
  EXPECT_EQ(engine.logits({1, 2, 3}).size(), 3u * 4096u);
  for (const ModuleReport& module : report.modules) {
    EXPECT_GT(module.error, 0) << module.name;
    EXPECT_LT(module.error, 0.5) << module.name;
    EXPECT_EQ(module.method, "gptq") << module.name;
  }
}

// On the text that calibrates, little of it would give small errors: so little can be fitted.
TEST(Quantize, ErrorsAreMeasuredOnOtherTextThanCalibrates) {
  const TempFolder folder;
  for (const bool sequential : {true, false}) {
    std::vector<double> means;
    for (const int samples : {1, 64}) {
      QuantizeOptions options = quick_options(folder / "out");
      options.force = true;
      options.samples = samples;
      options.gptaq = sequential ? 1 : 0;
      options.true_sequential = sequential;
      const QuantizeReport report = quantize(options);
      EXPECT_TRUE(report.errors_meaningful);
      double sum = 0;
      for (const ModuleReport& module : report.modules) sum += module.error;
      means.push_back(sum / static_cast<double>(report.modules.size()));
    }
    EXPECT_GT(means[0], means[1]) << sequential;
    EXPECT_LT(means[1], 0.1) << sequential;
  }
}

TEST(Quantize, OfTooLittleTextErrorsAreMeasuredOnBuiltInText) {
  const TempFolder folder;
  write_file_atomic(folder / "guide.txt", "auto-gptq is an easy-to-use model quantization library.");
  QuantizeOptions options = quick_options(folder / "out");
  options.calibration = {folder / "guide.txt"};
  const QuantizeReport report = quantize(options);
  EXPECT_TRUE(report.errors_meaningful);
  double sum = 0;
  for (const ModuleReport& module : report.modules) sum += module.error;
  EXPECT_GT(sum / kModules, 0.01) << "one sentence is no calibration, and the report does not hide it";
  const Json config = parse_json(read_file(folder / "out/quantize_config.json"), "");
  EXPECT_TRUE(config.at("meta").contains("errors"));
}

// Batches of different lengths one after the other give the same Hessian as any other order of them would.
TEST(Quantize, RowsOfDifferentLengths) {
  const TempFolder folder;
  std::string rows;
  for (int i = 0; i < 60; ++i) {
    rows += "{\"text\": \"Row " + std::to_string(i) + std::string(static_cast<size_t>(i % 7) * 9, 'a') +
            " and its end.\"}\n";
  }
  write_file_atomic(folder / "rows.jsonl", rows);
  QuantizeOptions options = quick_options(folder / "out");
  options.calibration = {folder / "rows.jsonl"};
  options.samples = 16;
  const QuantizeReport report = quantize(options);
  EXPECT_EQ(report.modules.size(), 42u);
  EXPECT_TRUE(report.errors_meaningful);
  for (const ModuleReport& module : report.modules) EXPECT_EQ(module.method, "gptq") << module.name;
  const bool noted = std::any_of(report.notes.begin(), report.notes.end(), [](const std::string& note) {
    return note.find("texts shorter than 48 tokens") != std::string::npos;
  });
  EXPECT_TRUE(noted);
}

// GPTQModel refuses a checkpoint whose "gptaq" is anything but null or an object of these keys.
TEST(Quantize, MetaIsWhatOtherReadersTake) {
  const TempFolder folder;
  for (const double gptaq : {0.0, 0.5}) {
    QuantizeOptions options = quick_options(folder / std::to_string(gptaq));
    options.gptaq = gptaq;
    quantize(options);
    const Json alone = parse_json(read_file(fs::path(options.output) / "quantize_config.json"), "");
    EXPECT_EQ(parse_json(read_file(fs::path(options.output) / "config.json"), "").at("quantization_config"), alone);
    const Json& meta = alone.at("meta");
    EXPECT_EQ(meta.at("gptaq"), gptaq == 0 ? Json() : Json({{"alpha", gptaq}, {"device", "auto"}}));
    EXPECT_EQ(meta.at("quantizer").size(), 1u);
    EXPECT_EQ(meta.at("quantizer")[0].get<std::string>().rfind("gptq:", 0), 0u);
    EXPECT_TRUE(meta.at("act_group_aware").is_boolean());
  }
  QuantizeOptions options = quick_options(folder / "asymmetric");
  options.grid.sym = false;
  options.format = "gptq";
  quantize(options);
  const Json meta = parse_json(read_file(fs::path(options.output) / "quantize_config.json"), "").at("meta");
  EXPECT_EQ(meta.at("quantizer")[1], "gptqmodel:0.9.0");
}

TEST(Quantize, SameBytesTwiceAndForAnyNumberOfThreads) {
  const TempFolder folder;
  QuantizeOptions options = quick_options(folder / "first");
  options.compute.threads = 1;
  quantize(options);
  options.output = folder / "second";
  options.compute.threads = 3;
  quantize(options);
  EXPECT_EQ(contents(folder / "first"), contents(folder / "second"));
}

TEST(Quantize, TheSeedChoosesTheWindows) {
  const TempFolder folder;
  QuantizeOptions options = quick_options(folder / "first");
  quantize(options);
  options.output = folder / "second";
  options.seed = 1;
  quantize(options);
  EXPECT_NE(contents(folder / "first").at("model.safetensors"), contents(folder / "second").at("model.safetensors"));
}

// Stops after the second layer.
void interrupt(const QuantizeOptions& options) {
  std::stop_source stop;
  const auto on_progress = [&](const QuantizeProgress& progress) {
    if (progress.phase.rfind("layer 2/6", 0) == 0) stop.request_stop();
  };
  testing::expect_error(ErrorKind::kInterrupted, {"layer 2 of 6", "--resume"},
                        [&] { quantize(options, on_progress, stop.get_token()); });
}

class QuantizeResume : public ::testing::TestWithParam<double> {};

TEST_P(QuantizeResume, GivesTheBytesOfAnUninterruptedRun) {
  const TempFolder folder;
  QuantizeOptions options = quick_options(folder / "whole");
  options.gptaq = GetParam();
  options.grid.sym = false;
  quantize(options);
  options.output = folder / "resumed";
  interrupt(options);
  EXPECT_FALSE(fs::exists(folder / "resumed"));
  options.resume = true;
  const QuantizeReport report = quantize(options);
  EXPECT_EQ(report.resumed_layers, 2);
  EXPECT_EQ(report.modules.size(), kModules);
  EXPECT_EQ(contents(folder / "whole"), contents(folder / "resumed"));
}

INSTANTIATE_TEST_SUITE_P(Gptaq, QuantizeResume, ::testing::Values(0.0, 1.0));

TEST(Quantize, UnfinishedWorkIsNeverLostByAccident) {
  const TempFolder folder;
  QuantizeOptions options = quick_options(folder / "out");
  interrupt(options);
  testing::expect_error(ErrorKind::kUsage, {"out.partial", "--resume", "--force"}, [&] { quantize(options); });
  options.resume = true;
  options.grid.bits = 3;
  testing::expect_error(ErrorKind::kUsage, {"other options", "--force"}, [&] { quantize(options); });
  options.resume = false;
  options.force = true;
  EXPECT_EQ(quantize(options).resumed_layers, 0);
}

TEST(Quantize, PlanAgreesWithTheRun) {
  const TempFolder folder;
  const QuantizeOptions options = quick_options(folder / "out");
  const QuantizePlan plan = plan_quantize(options);
  EXPECT_FALSE(fs::exists(folder / "out.partial"));
  const QuantizeReport report = quantize(options);
  EXPECT_EQ(plan.modules, kModules);
  EXPECT_EQ(plan.tokens, 4 * 48);
  EXPECT_EQ(plan.bytes_in, report.bytes_in);
  EXPECT_EQ(plan.bytes_out, report.bytes_out);
  EXPECT_GT(plan.seconds, 0);
}

TEST(Quantize, ForceReplacesAnExistingFolder) {
  const TempFolder folder;
  fs::create_directories(folder / "out");
  QuantizeOptions options = quick_options(folder / "out");
  quantize(options);
  const auto first = contents(folder / "out");
  testing::expect_error(ErrorKind::kUsage, {"exists", "--force"}, [&] { quantize(options); });
  options.force = true;
  options.seed = 1;
  quantize(options);
  EXPECT_NE(contents(folder / "out").at("model.safetensors"), first.at("model.safetensors"));
  EXPECT_FALSE(fs::exists(folder / "out.partial"));
}

TEST(Quantize, RulesReachTheFilesAndOtherReaders) {
  const TempFolder folder;
  QuantizeOptions options = quick_options(folder / "out");
  options.rules.push_back(ModuleRule::parse("model\\.layers\\.0\\.self_attn\\.q_proj:bits=8,group_size=32"));
  ModuleRule skip;
  skip.pattern = ".*down_proj";
  skip.skip = true;
  options.rules.push_back(skip);
  const QuantizeReport report = quantize(options);
  const Checkpoint checkpoint = Checkpoint::open(folder / "out");
  const checkpoint::QuantizeConfig& config = *checkpoint.quantize_config();
  // k and v share q's input: they follow its rule, and the saved rules say so.
  for (const char* name : {"q_proj", "k_proj", "v_proj"}) {
    const auto settings = config.settings_for(std::string("model.layers.0.self_attn.") + name);
    ASSERT_TRUE(settings.has_value()) << name;
    EXPECT_EQ(settings->bits, 8) << name;
    EXPECT_EQ(settings->group_size, 32) << name;
    EXPECT_EQ(checkpoint.tensor(std::string("model.layers.0.self_attn.") + name + ".qweight").shape[0], 64) << name;
  }
  EXPECT_EQ(config.settings_for("model.layers.1.self_attn.q_proj")->bits, 4);
  EXPECT_FALSE(config.settings_for("model.layers.3.mlp.down_proj").has_value());
  EXPECT_TRUE(checkpoint.contains("model.layers.3.mlp.down_proj.weight"));
  const std::vector<std::vector<std::string>> blocks = {{"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"},
                                                        {"self_attn.o_proj"},
                                                        {"mlp.gate_proj", "mlp.up_proj"}};
  EXPECT_EQ(config.modules_in_block_to_quantize, blocks);
  EXPECT_EQ(report.modules.size(), 6u * 6u);
  Engine::open(folder / "out").logits({1, 2});
}

TEST(Quantize, EveryWidthOrderAndFormatLoadsAgain) {
  struct Case {
    int bits, group_size;
    bool sym, desc_act, static_groups, sequential;
    const char* format;
    const char* clip;
  };
  const TempFolder folder;
  for (const Case& c :
       {Case{2, 16, false, true, false, true, "", "hessian"}, Case{3, 32, true, false, false, true, "gptq_v2", "mse"},
        Case{3, 64, false, true, true, true, "gptq", "none"}, Case{4, -1, true, false, false, false, "", "hessian"},
        Case{8, 256, false, false, true, true, "gptq", "hessian"}, Case{4, 128, true, true, true, false, "", "mse"}}) {
    QuantizeOptions options = quick_options(folder / "out");
    options.force = true;
    options.grid.bits = c.bits;
    options.grid.group_size = c.group_size;
    options.grid.sym = c.sym;
    options.grid.desc_act = c.desc_act;
    options.grid.static_groups = c.static_groups;
    options.grid.clip = c.clip;
    options.true_sequential = c.sequential;
    options.gptaq = c.sequential ? 1.0 : 0.0;
    options.format = c.format;
    const QuantizeReport report = quantize(options);
    const Checkpoint checkpoint = Checkpoint::open(folder / "out");
    const std::string wanted = *c.format ? c.format : c.sym ? "gptq" : "gptq_v2";
    EXPECT_EQ(to_string(checkpoint.quantize_config()->format), wanted);
    const PackedWeight w = checkpoint::read_packed(checkpoint, "model.layers.5.mlp.down_proj", 768, 256);
    EXPECT_EQ(w.bits, c.bits);
    const auto g_idx = w.g_idx.values<int32_t>();
    bool trivial = true;
    for (size_t k = 0; k < g_idx.size(); ++k) trivial &= g_idx[k] == static_cast<int64_t>(k) / w.group_size;
    EXPECT_EQ(trivial, !c.desc_act || c.static_groups) << c.bits << " bits";
    for (const ModuleReport& module : report.modules) EXPECT_LT(module.error, c.bits == 2 ? 2.0 : 0.5) << module.name;
  }
}

}  // namespace
}  // namespace gptq::quantization
