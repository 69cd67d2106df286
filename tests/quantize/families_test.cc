// Every golden family from dense folder to generated tokens, on every device: at 8 bits the logits hardly change.
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include <gptq/engine.h>
#include <gptq/error.h>
#include <gptq/quantize.h>

#include "core/file.h"
#include "core/json.h"
#include "tests/checkpoint/model_files.h"

namespace gptq::quantization {
namespace {

struct FamilyCase {
  std::string model, device;
};

void PrintTo(const FamilyCase& c, std::ostream* out) { *out << c.model << " on " << c.device; }

// One token for each printable character: as many as the golden models have.
std::string character_tokenizer() {
  Json vocab = {{"<unk>", 0}};
  for (char c = ' '; c <= '~'; ++c) vocab[std::string(1, c)] = c - ' ' + 1;
  const Json tokenizer = {
      {"version", "1.0"},
      {"added_tokens", Json::array()},
      {"normalizer", nullptr},
      {"pre_tokenizer", nullptr},
      {"post_processor", nullptr},
      {"decoder", nullptr},
      {"model", {{"type", "BPE"}, {"unk_token", "<unk>"}, {"vocab", vocab}, {"merges", Json::array()}}}};
  return tokenizer.dump();
}

class Families : public ::testing::TestWithParam<FamilyCase> {};

TEST_P(Families, QuantizedRunLikeTheDenseModel) {
  try {
    Device::parse(GetParam().device);
  } catch (const Error& error) {
    GTEST_SKIP() << "not tested here: " << error.what();
  }
  const testing::TempFolder folder;
  const fs::path golden = fs::path(GPTQ_SOURCE_DIR) / "tests/golden/models" / GetParam().model;
  fs::create_directories(folder / "dense");
  for (const char* file : {"config.json", "model.safetensors"}) fs::copy(golden / file, folder / "dense" / file);
  write_file_atomic(folder / "dense/tokenizer.json", character_tokenizer());

  QuantizeOptions options;
  options.model = folder / "dense";
  options.output = folder / "packed";
  options.compute.device = GetParam().device;
  options.grid.bits = 8;
  options.grid.group_size = 32;
  options.samples = 4;
  options.seqlen = 64;
  const QuantizeReport report = quantize(options);
  EXPECT_GE(report.modules.size(), 8u);
  for (const ModuleReport& module : report.modules) EXPECT_LT(module.damp, 0.02) << module.name;

  ComputeOptions cpu;
  cpu.device = "cpu";
  Engine dense = Engine::open(folder / "dense", cpu), packed = Engine::open(folder / "packed", options.compute);
  const std::vector<TokenId> tokens = packed.tokenizer().encode("It was a bright cold day in April, and the clocks");
  const std::vector<float> want = dense.logits(tokens), got = packed.logits(tokens);
  ASSERT_EQ(want.size(), got.size());
  double difference = 0, size = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    difference += std::pow(double{want[i]} - got[i], 2);
    size += std::pow(double{want[i]}, 2);
  }
  EXPECT_LT(std::sqrt(difference / size), 0.03);

  Request request;
  request.tokens = tokens;
  request.max_new_tokens = 40;
  request.ignore_eos = true;
  const Result first = packed.generate(request);
  EXPECT_EQ(first.tokens.size(), 40u);
  // The second time all but one of the prompt's tokens are cached: on a GPU other kernels run, which round differently.
  const Result again = packed.generate(request);
  EXPECT_EQ(again.cached_tokens, static_cast<int>(tokens.size()) - 1);
  if (GetParam().device == "cpu") {
    EXPECT_EQ(again.tokens, first.tokens);
  }
}

std::vector<FamilyCase> family_cases() {
  std::vector<FamilyCase> result;
  for (const char* model : {"llama_bias", "mistral_window", "qwen2_window", "qwen3", "gemma2", "gemma2_window", "phi",
                            "phi_qk_layernorm"}) {
    for (const char* device : {"cpu", "cuda:0"}) result.push_back({model, device});
  }
  return result;
}

INSTANTIATE_TEST_SUITE_P(Golden, Families, ::testing::ValuesIn(family_cases()), [](const auto& test) {
  return test.param.model + (test.param.device == "cpu" ? "_cpu" : "_cuda");
});

}  // namespace
}  // namespace gptq::quantization
