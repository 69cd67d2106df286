// Opening model folders: which files are found, and what each kind of broken folder says.
#include "core/json.h"
#include "checkpoint/checkpoint.h"

#include "checkpoint/folder_info.h"
#include "tests/checkpoint/model_files.h"

namespace gptq::checkpoint {
namespace {

using testing::expect_error;
using testing::golden;
using testing::LogCapture;
using testing::make_tensor;
using testing::TempFolder;
using testing::write_tensors;

const char kIndex[] = "model.safetensors.index.json";

// A folder with config.json and helpers to add weights.
class CheckpointTest : public ::testing::Test {
 protected:
  CheckpointTest() { write("config.json", R"({"model_type":"llama"})"); }

  void write(const std::string& name, const std::string& text) { write_file_atomic(folder_ / name, text); }
  void weights(const std::string& file, const std::map<std::string, const Tensor*>& tensors) {
    write_tensors(folder_ / file, tensors);
  }
  Checkpoint open() const { return Checkpoint::open(folder_.path()); }
  std::string at(const std::string& name) const { return (folder_ / name).string(); }

  TempFolder folder_;
  Tensor a_ = make_tensor<float>(DType::kF32, {2, 2}, {1, 2, 3, 4});
  Tensor b_ = make_tensor<uint16_t>(DType::kBF16, {3}, {0x3F80, 0x4000, 0x4040});
};

TEST_F(CheckpointTest, OneFile) {
  weights("model.safetensors", {{"a", &a_}, {"b", &b_}});
  const Checkpoint checkpoint = open();
  EXPECT_EQ(checkpoint.config()["model_type"], "llama");
  EXPECT_FALSE(checkpoint.quantize_config());
  EXPECT_EQ(checkpoint.names(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(checkpoint.total_bytes(), 22u);
  EXPECT_EQ(checkpoint.files(), (std::vector<fs::path>{folder_ / "model.safetensors"}));
  EXPECT_EQ(checkpoint.file_of("a"), "model.safetensors");
  EXPECT_EQ(to_float32(checkpoint.tensor("b"), "b").values<float>()[2], 3.0f);
  EXPECT_NO_THROW(checkpoint.tensor("a", {2, 2}));
  expect_error(ErrorKind::kVerification, {at("model.safetensors"), "\"a\"", "[2, 2]", "[4]"},
               [&] { checkpoint.tensor("a", {4}); });
  expect_error(ErrorKind::kVerification, {folder_.path().string(), "\"c\""}, [&] { checkpoint.tensor("c"); });
  expect_error(ErrorKind::kVerification, {"\"c\""}, [&] { checkpoint.file_of("c"); });
}

// A quantization config that was left behind when the weights were converted back.
TEST_F(CheckpointTest, AStaleQuantizationConfigIsIgnored) {
  for (const char* stale :
       {R"({"quant_method":"fp8","fmt":"e4m3"})", R"({"quant_method":"bitsandbytes","load_in_4bit":true})",
        R"({"quant_method":"gptq","bits":4,"group_size":128})", R"({"quant_method":"gptq","bits":5})"}) {
    write("config.json", std::string(R"({"model_type":"llama","quantization_config":)") + stale + "}");
    weights("model.safetensors", {{"a.weight", &a_}, {"b", &b_}});
    const LogCapture log;
    const Checkpoint checkpoint = open();
    EXPECT_FALSE(checkpoint.quantize_config()) << stale;
    EXPECT_NE(std::string(stale).find(checkpoint.ignored_quantization()), std::string::npos) << stale;
    EXPECT_EQ(folder_info(checkpoint).notes.size(), 1u) << stale;
    ASSERT_EQ(log.warnings.size(), 1u);
    for (const std::string& part :
         std::vector<std::string>{folder_.path().string(), "16-bit", "remove", "quantization_config"})
      EXPECT_NE(log.warnings[0].find(part), std::string::npos) << log.warnings[0];
  }
}

TEST_F(CheckpointTest, AQuantizationConfigOfQuantizedWeightsIsBelieved) {
  const Tensor codes = make_tensor<int32_t>(DType::kI32, {2}, {1, 2});
  write("config.json", R"({"quantization_config":{"quant_method":"fp8"}})");
  weights("model.safetensors", {{"a", &a_}, {"a.codes", &codes}});
  expect_error(ErrorKind::kVerification, {"fp8", "16-bit", "GPTQ checkpoint"}, [&] { open(); });
  // What is wrong with the config is said first, whatever else is missing.
  fs::remove(folder_ / "model.safetensors");
  expect_error(ErrorKind::kVerification, {"fp8"}, [&] { open(); });
}

TEST_F(CheckpointTest, ViewsOutliveMoves) {
  weights("model.safetensors", {{"a", &a_}});
  Checkpoint first = open();
  const TensorView view = first.tensor("a");
  const Checkpoint second = std::move(first);
  EXPECT_EQ(second.tensor("a").data, view.data);
  EXPECT_EQ(testing::raw_bytes(view), testing::raw_bytes(a_.view()));
}

TEST_F(CheckpointTest, ShardsFollowTheIndexOnly) {
  weights("model-00001-of-00002.safetensors", {{"a", &a_}, {"extra", &a_}});
  weights("model-00002-of-00002.safetensors", {{"b", &b_}});
  weights("consolidated.safetensors", {{"stray", &a_}});
  write(kIndex, R"({"metadata":{},"weight_map":{"a":"model-00001-of-00002.safetensors",)"
                R"("b":"model-00002-of-00002.safetensors"}})");
  const LogCapture log;
  const Checkpoint checkpoint = open();
  EXPECT_EQ(checkpoint.names(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(checkpoint.file_of("b"), "model-00002-of-00002.safetensors");
  EXPECT_EQ(checkpoint.files().size(), 2u);
  EXPECT_EQ(checkpoint.total_bytes(), 22u);
  ASSERT_EQ(log.warnings.size(), 1u);
  EXPECT_NE(log.warnings[0].find("extra"), std::string::npos);
}

TEST_F(CheckpointTest, BrokenIndexes) {
  weights("one.safetensors", {{"a", &a_}});
  const auto expect = [&](const std::string& text, const std::string& complaint) {
    write(kIndex, text);
    expect_error(ErrorKind::kVerification, {at(kIndex), complaint}, [&] { open(); });
  };
  expect("{", "JSON");
  expect("[]", "object");
  expect("{}", "weight_map");
  expect(R"({"weight_map":[]})", "weight_map");
  expect(R"({"weight_map":{}})", "weight_map");
  expect(R"({"weight_map":{"a":1}})", "plain file name");
  for (const char* name : {"../one.safetensors", "/etc/passwd", "sub/one.safetensors", "..", ".", "", "a\\\\b"}) {
    expect(R"({"weight_map":{"a":")" + std::string(name) + R"("}})", "plain file name");
  }
  expect(R"({"weight_map":{"a":"one.safetensors","lost1":"one.safetensors","lost2":"one.safetensors"}})",
         "2 missing tensor(s): lost1 (in one.safetensors), lost2");
  write(kIndex, R"({"weight_map":{"a":"one.safetensors","b":"two.safetensors","c":"three.safetensors"}})");
  expect_error(ErrorKind::kNotFound, {at(kIndex), "2 missing file(s): three.safetensors, two.safetensors"},
               [&] { open(); });
}

TEST_F(CheckpointTest, DamagedShardsAreNamed) {
  weights("one.safetensors", {{"a", &a_}});
  write(kIndex, R"({"weight_map":{"a":"one.safetensors"}})");
  const std::string whole = read_file(folder_ / "one.safetensors");
  for (const std::string& damaged :
       {whole.substr(0, whole.size() - 1), whole + "x", whole.substr(0, 40), std::string()}) {
    write("one.safetensors", damaged);
    expect_error(ErrorKind::kVerification, {at("one.safetensors")}, [&] { open(); });
  }
}

TEST_F(CheckpointTest, AutoGptqNames) {
  write("quantize_config.json", R"({"bits":4,"group_size":-1,"model_file_base_name":null})");
  weights("gptq_model-4bit--1g.safetensors", {{"a", &a_}});
  EXPECT_EQ(open().file_of("a"), "gptq_model-4bit--1g.safetensors");

  write("quantize_config.json", R"({"bits":4,"group_size":128,"model_file_base_name":"my-model"})");
  EXPECT_EQ(open().file_of("a"), "gptq_model-4bit--1g.safetensors");  // the only one there is
  weights("another.safetensors", {{"a", &a_}});
  expect_error(ErrorKind::kNotFound, {"my-model.safetensors", "gptq_model-4bit-128g.safetensors"}, [&] { open(); });
  weights("part.safetensors", {{"a", &a_}});
  write("my-model.safetensors.index.json", R"({"weight_map":{"a":"part.safetensors"}})");
  EXPECT_EQ(open().file_of("a"), "part.safetensors");

  write("quantize_config.json", R"({"bits":4,"model_file_base_name":"../my-model"})");
  expect_error(ErrorKind::kVerification, {folder_.path().string(), "plain file name"}, [&] { open(); });
}

TEST_F(CheckpointTest, QuantizeConfigLookupOrder) {
  weights("model.safetensors", {{"a.qweight", &a_}});
  write("config.json", R"({"quantization_config":{"quant_method":"gptq","bits":8}})");
  EXPECT_EQ(open().quantize_config()->bits, 8);
  write("quant_config.json", R"({"w_bit":3,"q_group_size":64})");
  EXPECT_EQ(open().quantize_config()->bits, 3);
  write("quantize_config.json", R"({"bits":2})");
  EXPECT_EQ(open().quantize_config()->bits, 2);
  write("quantize_config.json", R"({"bits":5})");
  expect_error(ErrorKind::kVerification, {at("quantize_config.json"), "\"bits\" is 5"}, [&] { open(); });
}

TEST_F(CheckpointTest, FoldersWithoutUsableWeights) {
  expect_error(ErrorKind::kNotFound, {folder_.path().string(), "model.safetensors"}, [&] { open(); });
  write("pytorch_model.bin", "");
  expect_error(ErrorKind::kNotFound, {"pytorch_model.bin", "convert"}, [&] { open(); });
  fs::remove(folder_ / "pytorch_model.bin");
  write("model.gguf", "");
  expect_error(ErrorKind::kNotFound, {"model.gguf"}, [&] { open(); });
  fs::remove(folder_ / "model.gguf");
  weights("consolidated.safetensors", {{"a", &a_}});
  expect_error(ErrorKind::kNotFound, {"consolidated.safetensors", "index"}, [&] { open(); });
}

TEST_F(CheckpointTest, MissingOrBrokenConfig) {
  weights("model.safetensors", {{"a.qweight", &a_}});
  for (const char* text : {"", "{", "[1]", "{\"a\":1,\"a\":2}", "{\"quantization_config\":3}"}) {
    write("config.json", text);
    expect_error(ErrorKind::kVerification, {at("config.json")}, [&] { open(); });
  }
  fs::remove(folder_ / "config.json");
  expect_error(ErrorKind::kNotFound, {at("config.json")}, [&] { open(); });
  expect_error(ErrorKind::kNotFound, {"/no/such/folder"}, [] { Checkpoint::open("/no/such/folder"); });
  expect_error(ErrorKind::kNotFound, {at("config.json")}, [&] { Checkpoint::open(folder_ / "config.json"); });
}

TEST(FolderInfo, PlainModel) {
  const ModelInfo info = folder_info(Checkpoint::open(golden("models/qwen3_sharded")));
  EXPECT_EQ(info.model_type, "qwen3");
  EXPECT_EQ(info.architecture, "Qwen3ForCausalLM");
  EXPECT_EQ(info.hidden_size, 64);
  EXPECT_EQ(info.files.size(), 2u);
  EXPECT_FALSE(info.quantized);
  int64_t elements = 0, bytes = 0;
  for (const TensorInfo& tensor : info.tensors) {
    elements += element_count(tensor.shape);
    bytes += tensor.bytes;
  }
  EXPECT_EQ(info.parameters, elements);
  EXPECT_EQ(info.tensor_bytes, bytes);
}

TEST(FolderInfo, PackedModelCountsLogicalWeights) {
  const ModelInfo dense = folder_info(Checkpoint::open(golden("models/qwen2")));
  const ModelInfo packed = folder_info(Checkpoint::open(golden("models/qwen2_gptq_3bit")));
  EXPECT_EQ(packed.parameters, dense.parameters);
  EXPECT_LT(packed.tensor_bytes, dense.tensor_bytes);
  EXPECT_TRUE(packed.quantized);
  EXPECT_EQ(packed.bits, 3);
  EXPECT_EQ(packed.group_size, 32);
  EXPECT_EQ(packed.checkpoint_format, "gptq");
  EXPECT_EQ(packed.quantizer, "interop-rtn:1");
}

}  // namespace
}  // namespace gptq::checkpoint
