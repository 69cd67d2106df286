// Models as people have them, from outside: what runs all the same, and what is refused by name with a way out.
#include <nlohmann/json.hpp>

#include "core/json.h"
#include "tests/cli/process.h"

namespace gptq::testing {
namespace {

using Json = nlohmann::json;

// A copy of the demo model with other values in its config.json.
std::string demo_with(const Scratch& scratch, const std::string& name, const Json& changes) {
  const std::string folder = scratch / name;
  fs::copy(kDemo, folder);
  Json config = Json::parse(read_whole(folder + "/config.json"));
  config.update(changes);
  write_whole(folder + "/config.json", config.dump());
  return folder;
}

// Names in the header are replaced by others of the same length.
void rename_tensors(const std::string& folder, const std::string& from, const std::string& to) {
  std::string file = read_whole(folder + "/model.safetensors");
  ASSERT_EQ(from.size(), to.size());
  for (size_t at = file.find(from); at != std::string::npos; at = file.find(from, at)) file.replace(at, to.size(), to);
  write_whole(folder + "/model.safetensors", file);
}

Outcome perplexity(const std::string& model, const std::string& text) {
  return gptq({"perplexity", model, "--text", text, "--window", "128", "--device", "cpu", "-q"});
}

TEST(CliOtherModels, AStoredHeadIsUsedAndKept) {
  const Scratch scratch;
  const std::string text = scratch / "text.txt";
  write_whole(text, read_whole(kDemo + "/eval.txt").substr(0, 3000));
  const std::string folder = demo_with(scratch, "tied", {{"tie_word_embeddings", true}});
  const Outcome got = perplexity(folder, text);
  EXPECT_EQ(got.code, 0) << got.err;
  EXPECT_EQ(got.out, perplexity(kDemo, text).out);
  EXPECT_TRUE(has(got.err, "lm_head")) << got.err;
  const std::string output = scratch / "out";
  const Outcome quantized = gptq({"quantize", folder, "-o", output, "--samples", "4", "--seqlen", "48", "--gptaq", "0",
                                  "--clip", "none", "--device", "cpu", "-q"});
  EXPECT_EQ(quantized.code, 0) << quantized.err;
  EXPECT_TRUE(has(gptq({"inspect", output, "--tensors"}).out, "lm_head.weight"));
  EXPECT_EQ(Json::parse(read_whole(output + "/config.json"))["tie_word_embeddings"], false);
}

TEST(CliOtherModels, TheArchitectureIsNamedBeforeAnyTensor) {
  const Scratch scratch;
  const std::string folder = demo_with(scratch, "vision", {{"model_type", "mistral3"}});
  rename_tensors(folder, "\"model.", "\"visio.");
  for (const std::vector<std::string>& command : {std::vector<std::string>{"generate", folder, "-p", "x"},
                                                  {"perplexity", folder, "--text", kDemo + "/eval.txt"},
                                                  {"bench", folder},
                                                  {"quantize", folder, "-o", scratch / "out"}}) {
    const Outcome outcome = gptq(command);
    EXPECT_EQ(outcome.code, 6) << outcome.err;
    EXPECT_TRUE(has(outcome.err, "\"mistral3\" is not supported")) << outcome.err;
  }
}

TEST(CliOtherModels, InspectShowsThem) {
  const Scratch scratch;
  const std::string awq =
      demo_with(scratch, "awq", {{"quantization_config", {{"quant_method", "awq"}, {"bits", 4}, {"group_size", 128}}}});
  rename_tensors(awq, "mlp.up_proj.weight\":{\"dtype\":\"BF16\"", "mlp.up_proj.weight\":{\"dtype\":\"I-16\"");
  const Outcome seen = gptq({"inspect", awq});
  EXPECT_EQ(seen.code, 0) << seen.err;
  for (const char* part : {"awq, 4 bits", "no: it is quantized with awq", "MistralForCausalLM"})
    EXPECT_TRUE(has(seen.out, part)) << seen.out;
  const Json json = Json::parse(gptq({"inspect", awq, "--json"}).out);
  EXPECT_EQ(json["supported"], false);
  EXPECT_EQ(json["quantized"], true);
  EXPECT_EQ(json["quant_method"], "awq");
  EXPECT_EQ(json["bits"], 4);
  EXPECT_TRUE(has(json["obstacle"].get<std::string>(), "awq"));
  EXPECT_FALSE(json.contains("group_size"));

  const std::string folder = scratch / "gguf";
  fs::create_directories(folder);
  write_whole(folder + "/model.gguf", "GGUF\3");
  for (const std::string& path : {folder, folder + "/model.gguf"}) {
    const Outcome gguf = gptq({"inspect", path});
    EXPECT_EQ(gguf.code, 0) << gguf.err;
    for (const char* part : {"no: it is", "GGUF", "model.gguf"}) EXPECT_TRUE(has(gguf.out, part)) << gguf.out;
    EXPECT_EQ(Json::parse(gptq({"inspect", path, "--json"}).out)["supported"], false);
  }
}

TEST(CliOtherModels, InspectSaysWhatIsMissing) {
  const Scratch scratch;
  const std::string bare = demo_with(scratch, "bare", Json::object());
  write_whole(bare + "/config.json", R"({"model_type": "llama"})");
  EXPECT_TRUE(has(gptq({"inspect", bare}).out, "no: reading config.json: the key \"vocab_size\" is missing"));
  const std::string deeper = demo_with(scratch, "deeper", {{"num_hidden_layers", 7}});
  EXPECT_TRUE(has(gptq({"inspect", deeper}).out, "no: it has no weights of model.layers.6.self_attn.q_proj"));
}

TEST(CliOtherModels, TheWayOutIsThatOfTheCommand) {
  const Scratch scratch;
  const std::string fp8 = demo_with(scratch, "fp8", {{"quantization_config", {{"quant_method", "fp8"}}}});
  rename_tensors(fp8, "mlp.up_proj.weight\":{\"dtype\":\"BF16\"", "mlp.up_proj.weight\":{\"dtype\":\"I-16\"");
  const Outcome quantize = gptq({"quantize", fp8, "-o", scratch / "out"});
  EXPECT_EQ(quantize.code, 6);
  EXPECT_TRUE(has(quantize.err, "already quantized with fp8, 8 bits")) << quantize.err;
  EXPECT_TRUE(has(quantize.err, "quantizing starts from the original 16-bit model"));
  EXPECT_FALSE(has(quantize.err, "GPTQ checkpoint"));
  const Outcome generate = gptq({"generate", fp8, "-p", "x"});
  EXPECT_EQ(generate.code, 6);
  EXPECT_TRUE(has(generate.err, "a GPTQ checkpoint of it")) << generate.err;
}

}  // namespace
}  // namespace gptq::testing
