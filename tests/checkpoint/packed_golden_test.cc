// Packed linears and models that other programs wrote (tests/golden).
#include "checkpoint/packed_format.h"

#include "tests/checkpoint/model_files.h"
#include "tests/checkpoint/stored_tensors.h"

namespace gptq::checkpoint {
namespace {

using testing::copy_tensor;
using testing::golden;
using testing::stored_tensors;
using testing::TempFolder;

// Reads each golden linear through a folder and compares codes, zeros and every dequantized weight, then
// writes it back.
TEST(PackedGolden, Linears) {
  int count = 0;
  for (const auto& item : fs::directory_iterator(golden("packed"))) {
    if (item.path().extension() != ".safetensors") continue;
    SCOPED_TRACE(item.path().filename().string());
    ++count;
    const SafetensorsFile file(item.path());
    const auto& metadata = file.header().metadata;
    const TempFolder folder;
    std::map<std::string, TensorView> views;
    for (const char* ending : {"qweight", "qzeros", "scales", "g_idx"})
      views.emplace("m." + std::string(ending), file.tensor(ending));
    write_file_atomic(folder / "model.safetensors", safetensors_bytes(views, {{"format", "pt"}}));
    write_file_atomic(folder / "config.json",
                      R"({"quantization_config":{"quant_method":"gptq","bits":)" + metadata.at("bits") +
                          ",\"group_size\":" + metadata.at("group_size") + ",\"sym\":" + metadata.at("sym") +
                          ",\"desc_act\":" + metadata.at("desc_act") + ",\"checkpoint_format\":\"" +
                          metadata.at("checkpoint_format") + "\"}}");
    const Checkpoint checkpoint = Checkpoint::open(folder.path());
    const Tensor codes = copy_tensor(file.tensor("codes")), zeros = copy_tensor(file.tensor("zeros")),
                 expected = copy_tensor(file.tensor("weight"));
    const int64_t K = codes.shape()[0], N = codes.shape()[1];
    const PackedWeight weight = read_packed(checkpoint, "m", K, N);
    ASSERT_EQ(weight.groups(), zeros.shape()[0]);
    const int32_t* stored_codes = weight.words().data();
    const int32_t* stored_zeros = weight.qzeros.values<int32_t>().data();
    int64_t wrong = 0;
    for (int64_t k = 0; k < K; ++k) {
      const int64_t g = weight.g_idx.values<int32_t>()[static_cast<size_t>(k)];
      for (int64_t n = 0; n < N; ++n) {
        const auto code = static_cast<int32_t>(unpack_field(stored_codes + n, k, weight.bits, N));
        const auto zero = static_cast<int32_t>(unpack_field(stored_zeros + g * N * weight.bits / 32, n, weight.bits));
        const float scale = to_float(weight.scales.values<Half>()[static_cast<size_t>(g * N + n)]);
        wrong += code != codes.values<int32_t>()[static_cast<size_t>(k * N + n)];
        wrong += zero != zeros.values<int32_t>()[static_cast<size_t>(g * N + n)];
        wrong += scale * static_cast<float>(code - zero) != expected.values<float>()[static_cast<size_t>(n * K + k)];
      }
    }
    EXPECT_EQ(wrong, 0);

    if (item.path().stem().string().find("wrapped") != std::string::npos) continue;  // v1 cannot store zero 0
    for (const auto& [name, tensor] : stored_tensors(weight, "m", checkpoint.quantize_config()->format)) {
      EXPECT_EQ(testing::raw_bytes(tensor.view()), testing::raw_bytes(checkpoint.tensor(name))) << name;
    }
  }
  EXPECT_GE(count, 17);
}

TEST(PackedGolden, Models) {
  const Checkpoint autogptq = Checkpoint::open(golden("models/llama_gptq_4bit"));
  EXPECT_TRUE(read_packed(autogptq, "model.layers.0.mlp.down_proj", 96, 64).bias.empty());
  const Checkpoint qwen = Checkpoint::open(golden("models/qwen2_gptq_3bit"));
  EXPECT_FALSE(read_packed(qwen, "model.layers.0.self_attn.q_proj", 64, 64).bias.empty());
}

}  // namespace
}  // namespace gptq::checkpoint
