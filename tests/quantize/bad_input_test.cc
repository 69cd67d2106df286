// Bad input to quantize(): the error's kind and words, and that nothing half-written stays behind.
#include <gtest/gtest.h>

#include "core/json.h"
#include "tests/checkpoint/full_disk.h"
#include "tests/quantize/demo_model.h"

namespace gptq::quantization {
namespace {

using testing::copy_demo;
using testing::quick_options;
using testing::TempFolder;

void expect_failure(const QuantizeOptions& options, ErrorKind kind, const std::vector<std::string>& parts) {
  testing::expect_error(kind, parts, [&] { quantize(options); });
  EXPECT_FALSE(fs::exists(options.output));
  EXPECT_FALSE(fs::exists(options.output + ".partial"));
}

TEST(QuantizeBadInput, Options) {
  struct Case {
    std::function<void(QuantizeOptions&)> change;
    std::vector<std::string> parts;
  };
  const std::vector<Case> cases = {
      {[](auto& o) { o.grid.bits = 5; }, {"bits is 5", "2, 3, 4 or 8"}},
      {[](auto& o) { o.grid.group_size = 100; }, {"group_size is 100", "128"}},
      {[](auto& o) { o.grid.group_size = 512; },
       {"model.layers.0.self_attn.q_proj", "512", "does not divide", "256 inputs"}},
      {[](auto& o) { o.grid.clip = "best"; }, {"clip", "hessian"}},
      {[](auto& o) { o.damp = 0; }, {"damp"}},
      {[](auto& o) { o.gptaq = 2; }, {"gptaq"}},
      {[](auto& o) { o.true_sequential = false; }, {"--gptaq 0"}},
      {[](auto& o) { o.samples = 0; }, {"samples"}},
      {[](auto& o) { o.format = "awq"; }, {"awq", "gptq_v2"}},
      {[](auto& o) { o.compute.device = "tpu"; }, {"tpu", "cpu"}},
      {[](auto& o) {
         o.rules = {{"(", false, 8, {}, {}, {}}};
       },
       {"\"(\""}},
      {[](auto& o) {
         o.rules = {{"lm_head", false, 8, {}, {}, {}}};
       },
       {"lm_head", "matches no module"}},
  };
  for (const Case& c : cases) {
    const TempFolder folder;
    QuantizeOptions options = quick_options(folder / "out");
    c.change(options);
    expect_failure(options, ErrorKind::kUsage, c.parts);
  }
}

TEST(QuantizeBadInput, RuleSyntax) {
  for (const char* text : {"", ":bits=4", "x:bits", "x:bits=four", "x:color=red", "x:sym=maybe"}) {
    testing::expect_error(ErrorKind::kUsage, {"rule"}, [&] { ModuleRule::parse(text); });
  }
  const ModuleRule rule = ModuleRule::parse("a(?:b|c):bits=3,group_size=-1,sym=false,desc_act=true");
  EXPECT_EQ(rule.pattern, "a(?:b|c)");
  EXPECT_EQ(rule.bits, 3);
  EXPECT_EQ(rule.group_size, -1);
  EXPECT_EQ(rule.sym, false);
  EXPECT_EQ(rule.desc_act, true);
}

TEST(QuantizeBadInput, Models) {
  const TempFolder folder;
  QuantizeOptions options = quick_options(folder / "out");
  options.model = folder / "nothing";
  expect_failure(options, ErrorKind::kNotFound, {"nothing"});

  copy_demo(folder / "gpt5");
  std::string config = read_file(folder / "gpt5" / "config.json");
  config.replace(config.find("\"mistral\""), 9, "\"gpt5\"");
  write_file_atomic(folder / "gpt5" / "config.json", config);
  options.model = folder / "gpt5";
  expect_failure(options, ErrorKind::kVerification, {"gpt5", "llama", "mistral", "qwen2", "qwen3"});

  copy_demo(folder / "short");
  fs::resize_file(folder / "short" / "model.safetensors", 1000000);
  options.model = folder / "short";
  expect_failure(options, ErrorKind::kVerification, {"model.safetensors"});

  copy_demo(folder / "broken-tokenizer");
  write_file_atomic(folder / "broken-tokenizer" / "tokenizer.json", "{\"version\":");
  options.model = folder / "broken-tokenizer";
  expect_failure(options, ErrorKind::kVerification, {"tokenizer.json"});

  copy_demo(folder / "wrong-shape");
  std::string wide = read_file(folder / "wrong-shape" / "config.json");
  wide.replace(wide.find("\"intermediate_size\": 768"), 24, "\"intermediate_size\": 512");
  write_file_atomic(folder / "wrong-shape" / "config.json", wide);
  options.model = folder / "wrong-shape";
  expect_failure(options, ErrorKind::kVerification, {"gate_proj", "[768, 256]", "[512, 256]"});
}

TEST(QuantizeBadInput, AlreadyQuantized) {
  const TempFolder folder;
  QuantizeOptions options = quick_options(folder / "once");
  quantize(options);
  options.model = options.output;
  options.output = folder / "twice";
  expect_failure(options, ErrorKind::kUsage, {"already quantized", "16-bit"});
}

TEST(QuantizeBadInput, NanWeightsNameTheTensor) {
  const TempFolder folder;
  copy_demo(folder / "model", "model.layers.1.mlp.up_proj.weight", [](auto values) { values[77] = {0x7FC0}; });
  QuantizeOptions options = quick_options(folder / "out");
  options.model = folder / "model";
  testing::expect_error(ErrorKind::kNumerical, {"model.layers.1.mlp.up_proj.weight", "NaN", "model.safetensors"},
                        [&] { quantize(options); });
  EXPECT_FALSE(fs::exists(folder / "out"));
}

TEST(QuantizeBadInput, OverflowingActivationsNameTheFirstModule) {
  const TempFolder folder;
  copy_demo(folder / "model", "model.layers.0.mlp.up_proj.weight", [](auto values) {
    for (BFloat16& value : values) value = {0x7F7F};  // the largest finite bf16
  });
  QuantizeOptions options = quick_options(folder / "out");
  options.model = folder / "model";
  options.rules = {{".*gate_proj", true, {}, {}, {}, {}}};  // stay dense, so that the huge values reach the product
  expect_failure(options, ErrorKind::kNumerical, {"model.layers.0.mlp.down_proj", "first"});
}

// The demo model as one whose attention has biases, one of them `value`.
void copy_demo_with_biases(const fs::path& folder, uint16_t value) {
  copy_demo(folder);
  Json config = parse_json(read_file(folder / "config.json"), "config.json");
  config["model_type"] = "qwen2";
  write_file_atomic(folder / "config.json", config.dump());
  const checkpoint::SafetensorsFile source(testing::demo_model() / "model.safetensors");
  std::map<std::string, TensorView> views;
  for (const auto& [name, entry] : source.header().tensors) views.emplace(name, source.tensor(name));
  std::map<std::string, Tensor> biases;
  for (int layer = 0; layer < 6; ++layer) {
    for (const auto& [linear, width] : {std::pair{"q", 256}, {"k", 128}, {"v", 128}}) {
      const std::string name = "model.layers." + std::to_string(layer) + ".self_attn." + linear + "_proj.bias";
      Tensor& bias = biases[name] = Tensor(DType::kBF16, {width});
      if (layer == 1 && linear[0] == 'k') bias.values<BFloat16>()[3] = {value};
      views[name] = bias.view();
    }
  }
  write_file_atomic(folder / "model.safetensors", checkpoint::safetensors_bytes(views, {{"format", "pt"}}));
}

TEST(QuantizeBadInput, BiasesBeyondHalfPrecisionAreNamedBeforeTheWork) {
  const TempFolder folder;
  QuantizeOptions options = quick_options(folder / "out");
  options.model = folder / "large";
  copy_demo_with_biases(folder / "large", 0x4789);  // 70144
  for (const bool desc_act : {false, true}) {
    options.grid.desc_act = desc_act;
    int steps = 0;
    testing::expect_error(ErrorKind::kNumerical,
                          {"value 3 of model.layers.1.self_attn.k_proj.bias is 70144", "65504",
                           "--skip 'model\\.layers\\.1\\.self_attn\\.k_proj'"},
                          [&] { quantize(options, [&](const QuantizeProgress&) { ++steps; }); });
    EXPECT_EQ(steps, 0);
    testing::expect_error(ErrorKind::kNumerical, {"70144"}, [&] { plan_quantize(options); });
  }
  options.rules = {{"model\\.layers\\.1\\.self_attn\\.k_proj", true, {}, {}, {}, {}}};  // as the error says
  EXPECT_EQ(quantize(options).modules.size(), 6u * 7 - 3);
  EXPECT_TRUE(checkpoint::Checkpoint::open(options.output).contains("model.layers.1.self_attn.k_proj.bias"));

  options = quick_options(folder / "out2");
  options.model = folder / "nan";
  copy_demo_with_biases(folder / "nan", 0x7FC0);
  expect_failure(options, ErrorKind::kNumerical, {"k_proj.bias is NaN or infinity"});
}

TEST(QuantizeBadInput, ScalesBeyondHalfPrecision) {
  const TempFolder folder;
  copy_demo(folder / "model", "model.layers.0.mlp.down_proj.weight", [](auto values) {
    for (BFloat16& value : values) value = to_bfloat16(to_float(value) * 1e12f);
  });
  QuantizeOptions options = quick_options(folder / "out");
  options.model = folder / "model";
  for (const char* clip : {"none", "hessian"}) {
    options.grid.clip = clip;
    expect_failure(options, ErrorKind::kNumerical, {"model.layers.0.mlp.down_proj", "scales beyond fp16", "--skip"});
  }
}

TEST(QuantizeBadInput, ErrorsThatAreNotNumbers) {
  const TempFolder folder;
  copy_demo(folder / "model", "model.layers.0.input_layernorm.weight", [](auto values) {
    for (BFloat16& value : values) value = to_bfloat16(1e30f);
  });
  QuantizeOptions options = quick_options(folder / "out");
  options.model = folder / "model";
  expect_failure(options, ErrorKind::kNumerical, {"model.layers.0.self_attn.q_proj", "not a number", "--skip"});
}

TEST(QuantizeBadInput, CalibrationText) {
  const TempFolder folder;
  QuantizeOptions options = quick_options(folder / "out");
  const auto with = [&](const std::string& name, const std::string& text) {
    write_file_atomic(folder / name, text);
    options.calibration = {folder / name};
  };
  options.calibration = {folder / "missing.txt"};
  expect_failure(options, ErrorKind::kNotFound, {"missing.txt"});
  with("empty.txt", "");
  expect_failure(options, ErrorKind::kUsage, {"empty.txt", "found no text"});
  with("bad.jsonl", "{\"text\": \"fine\"}\n{\"text\": \n");
  expect_failure(options, ErrorKind::kVerification, {"bad.jsonl line 2"});
  with("other.jsonl", "{\"prompt\": \"x\"}\n");
  expect_failure(options, ErrorKind::kVerification, {"other.jsonl line 1", "the keys \"prompt\"", "messages"});
  with("damaged.txt.gz", "\x1f\x8b\x08garbage");
  expect_failure(options, ErrorKind::kVerification, {"damaged.txt.gz", "gzip"});
}

TEST(QuantizeBadInput, FewTokensAreWarnedAbout) {
  const TempFolder folder;
  const testing::LogCapture log;
  plan_quantize(quick_options(folder / "out"));
  ASSERT_EQ(log.warnings.size(), 1u);
  EXPECT_NE(log.warnings[0].find("192 calibration tokens"), std::string::npos);
}

TEST(QuantizeBadInput, UnwritablePlaces) {
  const TempFolder folder;
  write_file_atomic(folder / "file", "not a folder");
  QuantizeOptions options = quick_options(folder / "file" / "out");
  testing::expect_error(ErrorKind::kNotFound, {"file/out.partial"}, [&] { quantize(options); });
  options.output = "/proc/gptq-out";  // refuses even root
  testing::expect_error(ErrorKind::kNotFound, {"/proc/gptq-out.partial"}, [&] { quantize(options); });
  options.output = testing::demo_model();
  options.force = true;
  testing::expect_error(ErrorKind::kUsage, {"model's own folder"}, [&] { quantize(options); });
}

// A limit on file sizes fails where a full disk does: when the shard's space is reserved.
TEST(QuantizeBadInput, FullDisk) {
  const TempFolder folder;
  const QuantizeOptions options = quick_options(folder / "out");
  {
    const testing::FullDisk disk(1 << 20);
    testing::expect_error(ErrorKind::kGeneral, {"reserving", "model.safetensors", "disk space"},
                          [&] { quantize(options); });
  }
  EXPECT_FALSE(fs::exists(folder / "out"));
  EXPECT_FALSE(fs::exists(folder / "out.partial"));
}

}  // namespace
}  // namespace gptq::quantization
