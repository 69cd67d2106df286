// What is not a model, or not one of ours: each is named, with the way out for what it was opened for.
#include "checkpoint/other_formats.h"

#include "checkpoint/checkpoint.h"
#include "checkpoint/folder_info.h"
#include "tests/checkpoint/model_files.h"

namespace gptq::checkpoint {
namespace {

using testing::expect_error;
using testing::make_tensor;

class OtherFormats : public ::testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) {
    fs::create_directories((folder_ / name).parent_path());
    write_file_atomic(folder_ / name, text);
  }
  void weights(const std::string& file, const std::string& name = "a") {
    testing::write_tensors(folder_ / file, {{name, &tensor_}});
  }
  // Opening refuses with all of `parts`, and ends with each purpose's advice.
  void expect_quantized(const std::string& method, const std::string& bits) {
    for (const auto& [purpose, advice] : {std::pair{Purpose::kRun, "GPTQ checkpoint"},
                                          std::pair{Purpose::kQuantize, "starts from the original 16-bit model"}}) {
      expect_error(ErrorKind::kVerification, {folder_.path().string(), "with " + method, bits, "already", advice},
                   [&, purpose = purpose] { Checkpoint::open(folder_.path(), purpose); });
    }
    const Checkpoint seen = Checkpoint::open(folder_.path(), Purpose::kLook);
    ASSERT_TRUE(seen.other_format()) << method;
    const ModelInfo info = folder_info(seen);
    EXPECT_TRUE(info.quantized);
    EXPECT_EQ(info.method, method);
  }
  void expect_no_model(const std::string& at, const std::vector<std::string>& parts) {
    for (const Purpose purpose : {Purpose::kRun, Purpose::kQuantize, Purpose::kLook}) {
      expect_error(ErrorKind::kNotFound, parts, [&] { Checkpoint::open(folder_ / at, purpose); });
    }
    EXPECT_TRUE(not_a_model(folder_ / at)) << at;
  }

  testing::TempFolder folder_;
  Tensor tensor_ = make_tensor<int32_t>(DType::kI32, {2}, {1, 2});
};

TEST_F(OtherFormats, QuantizationConfigsOfOtherMethods) {
  weights("model.safetensors");
  struct Case {
    std::string config, method, bits;
  };
  for (const Case& item : std::vector<Case>{
           {R"({"quant_method":"awq","bits":4,"group_size":128,"zero_point":true,"version":"gemm"})", "awq", "4 bits"},
           {R"({"quant_method":"fp8","fmt":"e4m3","weight_block_size":[128,128]})", "fp8", "8 bits"},
           {R"({"quant_method":"bitsandbytes","load_in_4bit":true})", "bitsandbytes", "4 bits"},
           {R"({"load_in_8bit":true})", "bitsandbytes", "8 bits"},
           {R"({"quant_method":"exl2","bits":4.25})", "exl2", "4.25 bits"},
           {R"({"quant_method":"auto-round","bits":4})", "auto-round", "4 bits"},
           {R"({"quant_method":"mxfp4"})", "mxfp4", "4 bits"},
           {R"({"quant_method":"compressed-tensors","config_groups":{"group_0":{"weights":{"num_bits":8}}}})",
            "compressed-tensors", "8 bits"},
           {R"({"quant_method":"hqq"})", "hqq", ""},
       }) {
    write("config.json", R"({"_name_or_path":"org/base","quantization_config":)" + item.config + "}");
    expect_quantized(item.method, item.bits);
    expect_error(ErrorKind::kVerification, {"org/base"}, [&] { Checkpoint::open(folder_.path(), Purpose::kQuantize); });
  }
  write("config.json", "{}");
  write("quant_config.json", R"({"zero_point":true,"q_group_size":128,"w_bit":4,"version":"GEMM"})");
  expect_quantized("awq", "4 bits");
  // The method is said first, whatever else is missing.
  fs::remove(folder_ / "model.safetensors");
  expect_error(ErrorKind::kVerification, {"awq"}, [&] { Checkpoint::open(folder_.path()); });
}

TEST_F(OtherFormats, MlxByItsConfig) {
  weights("model.safetensors");
  for (const char* config :
       {R"({"quantization":{"group_size":64,"bits":4},"quantization_config":{"group_size":64,"bits":4}})",
        R"({"quantization":{"group_size":64,"bits":6}})"}) {
    write("config.json", config);
    expect_quantized("mlx", std::string(config).find("6}") != std::string::npos ? "6 bits" : "4 bits");
  }
}

TEST_F(OtherFormats, QuantizedTensorsWithoutAConfig) {
  write("config.json", "{}");
  for (const auto& [name, method] :
       {std::pair{"m.weight_packed", "compressed-tensors"}, std::pair{"m.q_weight", "exl2"},
        std::pair{"m.trellis", "exl3"}, std::pair{"m.weight.absmax", "bitsandbytes"}}) {
    weights("model.safetensors", name);
    expect_quantized(method, "");
  }
  write("model.safetensors",
        testing::raw_file(R"({"m.weight":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}})", "abcd"));
  expect_quantized("fp8", "8 bits");
  write("model.safetensors", testing::raw_file(R"({"m.weight":{"dtype":"U32","shape":[1],"data_offsets":[0,4]},)"
                                               R"("m.scales":{"dtype":"U8","shape":[1],"data_offsets":[4,5]}})",
                                               "abcde"));
  expect_quantized("mlx", "");
  weights("model.safetensors", "m.qweight");  // may be ours
  EXPECT_NO_THROW(Checkpoint::open(folder_.path()));
}

TEST_F(OtherFormats, Gguf) {
  write("g/model-Q4_K_M.gguf", "GGUF\3");
  write("blob", "GGUF\3");
  expect_no_model("g/model-Q4_K_M.gguf", {"model-Q4_K_M.gguf", "GGUF", "original"});
  expect_no_model("blob", {"GGUF"});
  expect_no_model("g", {"GGUF", "original"});
  expect_error(ErrorKind::kNotFound, {"quantizing starts from"},
               [&] { Checkpoint::open(folder_ / "g", Purpose::kQuantize); });
  write("g/config.json", "{}");
  expect_no_model("g", {"GGUF"});
  // Beside weights in safetensors it is nobody's business.
  weights("g/model.safetensors");
  EXPECT_NO_THROW(Checkpoint::open(folder_ / "g"));
}

TEST_F(OtherFormats, Adapters) {
  write("a/adapter_config.json", R"({"base_model_name_or_path":"mistralai/Mistral-7B-v0.3","peft_type":"LORA"})");
  weights("a/adapter_model.safetensors");
  expect_no_model("a", {"LoRA adapter of mistralai/Mistral-7B-v0.3", "merge"});
  write("a/config.json", "{}");
  expect_no_model("a", {"LoRA adapter of mistralai/Mistral-7B-v0.3", "merge"});
  write("a/adapter_config.json", "broken");
  expect_no_model("a", {"LoRA adapter", "merge"});
  weights("a/model.safetensors");
  EXPECT_NO_THROW(Checkpoint::open(folder_ / "a"));
}

TEST_F(OtherFormats, FilesAndOtherLayouts) {
  write("m/config.json", "{}");
  weights("m/model.safetensors");
  expect_no_model("m/model.safetensors", {"one weight file", "use the folder", (folder_ / "m").string()});
  expect_no_model("m/config.json", {"a file", "use the folder"});
  write("p/pytorch_model.bin", "");
  write("p/config.json", "{}");
  expect_no_model("p", {"pytorch_model.bin", "convert"});
  expect_no_model("p/pytorch_model.bin", {"pytorch_model.bin", "convert"});
  write("c/params.json", "{}");
  weights("c/consolidated.safetensors");
  expect_no_model("c", {"consolidated.safetensors", "own layout", "index"});
  const ModelInfo info = folder_info(folder_ / "c", *not_a_model(folder_ / "c"));
  EXPECT_EQ(info.files, (std::vector<std::string>{"consolidated.safetensors", "params.json"}));
  EXPECT_NE(info.obstacle.find("own layout"), std::string::npos);
  EXPECT_FALSE(not_a_model(folder_ / "m"));
  EXPECT_FALSE(not_a_model(folder_ / "nothing"));
  fs::create_directories(folder_ / "empty");
  EXPECT_FALSE(not_a_model(folder_ / "empty"));
}

}  // namespace
}  // namespace gptq::checkpoint
