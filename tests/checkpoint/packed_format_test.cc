// The packed format: zero points of both versions at every width, wraps and validation.
#include "checkpoint/packed_format.h"

#include <cmath>
#include <limits>

#include "tests/checkpoint/model_files.h"
#include "tests/checkpoint/stored_tensors.h"

namespace gptq::checkpoint {
namespace {

using testing::copy_tensor;
using testing::expect_error;
using testing::golden;
using testing::LogCapture;
using testing::make_tensor;
using testing::stored_tensors;
using testing::TempFolder;
using testing::write_tensors;

constexpr int64_t kInputs = 64, kOutputs = 32;
const char kModule[] = "layer.proj";

int32_t word(uint32_t bits) { return static_cast<int32_t>(bits); }

// A stream of one row of 32 zeros.
Tensor pack_zeros(int bits, const std::vector<uint32_t>& zeros) {
  Tensor tensor(DType::kI32, {1, static_cast<int64_t>(zeros.size()) * bits / 32});
  for (size_t i = 0; i < zeros.size(); ++i) {
    pack_field(tensor.values<int32_t>().data(), static_cast<int64_t>(i), bits, zeros[i]);
  }
  return tensor;
}

std::vector<uint32_t> unpack_zeros(const Tensor& tensor, int bits) {
  std::vector<uint32_t> zeros;
  for (int64_t i = 0; i < tensor.size() * 32 / bits; ++i) {
    zeros.push_back(unpack_field(tensor.values<int32_t>().data(), i, bits));
  }
  return zeros;
}

// A weight with varied codes and zeros (never 0), ready to store.
PackedWeight sample(int bits, int64_t group_size, bool sym = false) {
  PackedWeight weight;
  const int64_t G = GroupSize(group_size).groups(kInputs);
  const uint32_t levels = 1u << bits;
  weight.bits = bits;
  weight.in_features = kInputs;
  weight.out_features = kOutputs;
  weight.group_size = G == 1 ? kInputs : group_size;
  weight.qweight = Tensor(DType::kI32, {kInputs * bits / 32, kOutputs});
  weight.qzeros = Tensor(DType::kI32, {G, kOutputs * bits / 32});
  weight.scales = Tensor(DType::kF16, {G, kOutputs});
  weight.g_idx = Tensor(DType::kI32, {kInputs});
  for (int64_t n = 0; n < kOutputs; ++n) {
    for (int64_t k = 0; k < kInputs; ++k) {
      pack_field(weight.qweight.values<int32_t>().data() + n, k, bits, static_cast<uint32_t>(k * 7 + n) % levels,
                 kOutputs);
    }
  }
  for (int64_t i = 0; i < G * kOutputs; ++i) {
    const uint32_t zero = sym ? levels / 2 : 1 + static_cast<uint32_t>(i * 5) % (levels - 1);
    pack_field(weight.qzeros.values<int32_t>().data(), i, bits, zero);
    weight.scales.values<Half>()[static_cast<size_t>(i)] = to_half(0.01f * static_cast<float>(i + 1));
  }
  for (int64_t k = 0; k < kInputs; ++k) {
    weight.g_idx.values<int32_t>()[static_cast<size_t>(k)] = static_cast<int32_t>(k / weight.group_size);
  }
  return weight;
}

// A folder with one packed module; tensors may be replaced or removed before it is written.
class PackedFolder {
 public:
  PackedFolder(const PackedWeight& weight, CheckpointFormat format, const std::string& more = "") {
    for (auto& [name, tensor] : stored_tensors(weight, kModule, format)) tensors_.emplace(name, std::move(tensor));
    config_ = "{\"bits\":" + std::to_string(weight.bits) + ",\"group_size\":" + std::to_string(weight.group_size) +
              ",\"format\":\"" + to_string(format) + "\"" + more + "}";
  }
  Tensor& operator[](const std::string& ending) { return tensors_[std::string(kModule) + ending]; }
  void remove(const std::string& ending) { tensors_.erase(std::string(kModule) + ending); }
  std::string config() const { return config_; }
  void set_config(std::string text) { config_ = std::move(text); }

  PackedWeight read() {
    std::map<std::string, const Tensor*> tensors;
    for (const auto& [name, tensor] : tensors_) tensors.emplace(name, &tensor);
    write_tensors(folder_ / "model.safetensors", tensors);
    write_file_atomic(folder_ / "config.json", "{}");
    if (!config_.empty()) write_file_atomic(folder_ / "quantize_config.json", config_);
    return read_again();
  }
  // Of the files as they are. The weight is valid as long as this object.
  PackedWeight read_again() {
    checkpoint_ = Checkpoint::open(folder_.path());
    return read_packed(*checkpoint_, kModule, kInputs, kOutputs);
  }
  std::string file() const { return (folder_ / "model.safetensors").string(); }

 private:
  TempFolder folder_;
  std::map<std::string, Tensor> tensors_;
  std::string config_;
  std::optional<Checkpoint> checkpoint_;
};

bool same(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         testing::raw_bytes(a.view()) == testing::raw_bytes(b.view());
}

TEST(PackedFormat, Specs) {
  const std::vector<TensorSpec> specs = packed_specs("m", 96, 64, 3, 64, true);
  const std::vector<TensorSpec> expected = {{"m.qweight", DType::kI32, {9, 64}},
                                            {"m.qzeros", DType::kI32, {2, 6}},
                                            {"m.scales", DType::kF16, {2, 64}},
                                            {"m.g_idx", DType::kI32, {96}},
                                            {"m.bias", DType::kF16, {64}}};
  EXPECT_EQ(specs, expected);
  EXPECT_EQ(packed_specs("m", 96, 64, 4, -1, false)[1].shape, (Shape{1, 8}));
  EXPECT_EQ(packed_specs("m", 96, 64, 4, 128, false).size(), 4u);
  expect_error(ErrorKind::kUsage, {"m", "96", "40", "multiples of 32"},
               [] { packed_specs("m", 96, 40, 4, 32, false); });
  expect_error(ErrorKind::kUsage, {"100"}, [] { packed_specs("m", 100, 64, 4, 32, false); });
}

TEST(PackedFormat, KnownSizeOfA7BModel) {
  // Mistral-7B shapes at 4 bits, groups of 128, without the dense rest.
  uint64_t bytes = 0;
  const std::vector<std::pair<int64_t, int64_t>> linears = {{4096, 4096},  {4096, 1024},  {4096, 1024}, {4096, 4096},
                                                            {4096, 14336}, {4096, 14336}, {14336, 4096}};
  for (const auto& [K, N] : linears) {
    for (const TensorSpec& spec : packed_specs("m", K, N, 4, 128, false)) bytes += 32 * spec.bytes();
  }
  EXPECT_EQ(bytes, 4'168'359'936u - 537'403'392u);
}

TEST(PackedFormat, SymmetricWordsAreTheKnownConstants) {
  const std::map<int, std::pair<std::vector<uint32_t>, std::vector<uint32_t>>> words = {
      {2, {{0x55555555}, {0xAAAAAAAA}}},
      {4, {{0x77777777}, {0x88888888}}},
      {8, {{0x7F7F7F7F}, {0x80808080}}},
      {3, {{0xDB6DB6DB, 0xB6DB6DB6, 0x6DB6DB6D}, {0x24924924, 0x49249249, 0x92492492}}}};
  for (const auto& [bits, expected] : words) {
    const PackedWeight weight = sample(bits, 32, true);
    for (const CheckpointFormat format : {CheckpointFormat::kGptq, CheckpointFormat::kGptqV2}) {
      const auto stored = stored_tensors(weight, kModule, format);
      const auto& pattern = format == CheckpointFormat::kGptq ? expected.first : expected.second;
      const auto values = stored[1].second.values<int32_t>();
      for (size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], word(pattern[i % pattern.size()])) << bits;
    }
  }
}

TEST(PackedFormat, WordsMayBeUnalignedInTheFile) {
  const PackedWeight weight = sample(4, 32);
  PackedFolder folder(weight, CheckpointFormat::kGptq);
  EXPECT_TRUE(folder.read().qweight.empty()) << "aligned words are not copied";
  std::string file = read_small_file(folder.file());
  const int length = static_cast<unsigned char>(file[0]) + 256 * static_cast<unsigned char>(file[1]) + 1;
  file.insert(static_cast<size_t>(8 + length - 1), " ");  // after the header, which may end with white space
  file[0] = static_cast<char>(length % 256);
  file[1] = static_cast<char>(length / 256);
  write_file_atomic(folder.file(), file);
  const PackedWeight again = folder.read_again();
  EXPECT_FALSE(again.qweight.empty());
  EXPECT_TRUE(std::ranges::equal(again.words(), weight.words()));
}

TEST(PackedFormat, RoundTripsEveryWidthAndFormat) {
  for (const int bits : {2, 3, 4, 8}) {
    for (const int64_t group_size : {32, 48, 64, 128}) {
      for (const CheckpointFormat format : {CheckpointFormat::kGptq, CheckpointFormat::kGptqV2}) {
        PackedWeight weight = sample(bits, group_size);
        weight.bias = make_tensor<float>(DType::kF32, {kOutputs}, std::vector<float>(kOutputs, 0.25f));
        PackedFolder folder(weight, format, ",\"sym\":false");
        const PackedWeight again = folder.read();
        EXPECT_EQ(again.bits, bits);
        EXPECT_EQ(again.in_features, kInputs);
        EXPECT_EQ(again.out_features, kOutputs);
        EXPECT_EQ(again.group_size, weight.group_size);
        EXPECT_TRUE(std::ranges::equal(again.words(), weight.words())) << bits;
        EXPECT_TRUE(same(again.qzeros, weight.qzeros)) << bits << " " << to_string(format);
        EXPECT_TRUE(same(again.scales, weight.scales));
        EXPECT_TRUE(same(again.g_idx, weight.g_idx));
        EXPECT_TRUE(same(again.bias, weight.bias));
      }
    }
  }
}

TEST(PackedFormat, StoredTensorsFitTheirSpecs) {
  PackedWeight weight = sample(3, 48);
  weight.bias = Tensor(DType::kF32, {kOutputs});
  const auto stored = stored_tensors(weight, kModule, CheckpointFormat::kGptq);
  const auto specs = packed_specs(kModule, kInputs, kOutputs, 3, 48, true);
  ASSERT_EQ(stored.size(), specs.size());
  for (size_t i = 0; i < specs.size(); ++i) {
    EXPECT_EQ(stored[i].first, specs[i].name);
    EXPECT_EQ(stored[i].second.dtype(), specs[i].dtype);
    EXPECT_EQ(stored[i].second.shape(), specs[i].shape);
  }
}

TEST(PackedFormat, VersionOneHasNoPlaceForZero) {
  for (const int bits : {2, 3, 4, 8}) {
    PackedWeight weight = sample(bits, 32);
    weight.qzeros.values<int32_t>()[0] = 0;
    expect_error(ErrorKind::kUsage, {kModule, "gptq_v2"},
                 [&] { stored_tensors(weight, kModule, CheckpointFormat::kGptq); });
    EXPECT_NO_THROW(stored_tensors(weight, kModule, CheckpointFormat::kGptqV2));
  }
}

TEST(PackedFormat, BothZeroRulesAgreeWithoutWraps) {
  for (const int bits : {2, 4, 8}) {
    std::vector<uint32_t> zeros, plus_one;
    for (uint32_t i = 0; i < 32; ++i) zeros.push_back(i % ((1u << bits) - 1u));
    for (uint32_t zero : zeros) plus_one.push_back(zero + 1);
    const Tensor stored = pack_zeros(bits, zeros);
    EXPECT_EQ(unpack_zeros(plain_zeros(stored.view(), bits, ZeroRule::kPerField), bits), plus_one);
    EXPECT_EQ(unpack_zeros(plain_zeros(stored.view(), bits, ZeroRule::kWholeWord), bits), plus_one);
  }
}

TEST(PackedFormat, WrappedZeros) {
  // Plain zeros 0, 5, 7… stored per field: 15, 4, 6; stored by whole words the borrow makes 15, 3, 6.
  std::vector<uint32_t> plain(32, 7), per_field(32, 6), borrowed(32, 6);
  plain[0] = 0, plain[1] = 5;
  per_field[0] = 15, per_field[1] = 4;
  borrowed[0] = 15, borrowed[1] = 3;
  EXPECT_EQ(unpack_zeros(plain_zeros(pack_zeros(4, per_field).view(), 4, ZeroRule::kPerField), 4), plain);
  EXPECT_EQ(unpack_zeros(plain_zeros(pack_zeros(4, borrowed).view(), 4, ZeroRule::kWholeWord), 4), plain);
  // The highest field has no neighbour to borrow from.
  std::vector<uint32_t> top(32, 7), top_stored(32, 6);
  top[7] = 0, top_stored[7] = 15;
  EXPECT_EQ(unpack_zeros(plain_zeros(pack_zeros(4, top_stored).view(), 4, ZeroRule::kPerField), 4), top);
  EXPECT_EQ(unpack_zeros(plain_zeros(pack_zeros(4, top_stored).view(), 4, ZeroRule::kWholeWord), 4), top);
  // 3 bits: fields that straddle words wrap to 7 and come back as 0.
  std::vector<uint32_t> three(32, 2), three_stored(32, 1);
  three[10] = three[21] = 0, three_stored[10] = three_stored[21] = 7;
  EXPECT_EQ(unpack_zeros(plain_zeros(pack_zeros(3, three_stored).view(), 3, ZeroRule::kPerField), 3), three);
}

TEST(PackedFormat, TheQuantizerDecidesHowZerosWrap) {
  PackedFolder folder(sample(4, 64), CheckpointFormat::kGptq);
  folder[".qzeros"].values<int32_t>()[0] = word(0x6666663F);  // fields 15, 3, 6, 6…
  const auto first_zeros = [&](const std::string& more) {
    folder.set_config(R"({"bits":4,"group_size":64)" + more + "}");
    const PackedWeight weight = folder.read();
    return std::pair{unpack_field(weight.qzeros.values<int32_t>().data(), 0, 4),
                     unpack_field(weight.qzeros.values<int32_t>().data(), 1, 4)};
  };
  EXPECT_EQ(first_zeros(R"(,"sym":false)"), (std::pair{0u, 4u}));
  EXPECT_EQ(first_zeros(R"(,"sym":false,"meta":{"quantizer":["gptqmodel:1.4.0"]})"), (std::pair{0u, 5u}));
  EXPECT_EQ(first_zeros(R"(,"sym":true,"meta":{"quantizer":["gptqmodel:1.4.0"]})"), (std::pair{0u, 4u}));
}

// What versions of GPTQModel stored for the same zeros.
TEST(PackedFormat, GptqmodelSubtractedOtherConstantsOnce) {
  const auto read = [](const PackedWeight& weight, const std::vector<uint32_t>& subtracted, const std::string& config) {
    PackedFolder folder(weight, CheckpointFormat::kGptq);
    folder[".qzeros"] = copy_tensor(weight.qzeros.view());
    const size_t row_words = static_cast<size_t>(weight.qzeros.shape().back());
    const std::span<int32_t> words = folder[".qzeros"].values<int32_t>();
    for (size_t i = 0; i < words.size(); ++i)
      words[i] = word(static_cast<uint32_t>(words[i]) - subtracted[i % row_words % 3]);
    folder.set_config(config);
    return copy_tensor(folder.read().qzeros.view());
  };
  const std::vector<uint32_t> in_order = {0x49249249, 0x92492492, 0x24924924},
                              reversed = {0x24924924, 0x92492492, 0x49249249};
  const PackedWeight three = sample(3, 64);
  for (const char* sym : {"true", "false"}) {
    const auto config = [&](const std::string& quantizer) {
      return R"({"bits":3,"group_size":64,"sym":)" + std::string(sym) + R"(,"meta":{"quantizer":[")" + quantizer +
             "\"]}}";
    };
    for (const char* old : {"gptqmodel:1.0.1", "gptqmodel:5.8.0", "gptqmodel:6.0.3"}) {
      EXPECT_TRUE(same(read(three, reversed, config(old)), three.qzeros)) << old << " sym " << sym;
    }
    for (const char* others :
         {"gptqmodel:7.0.0", "gptqmodel:10.1", "auto_gptq:0.7.1", "gptq:0.1.0\",\"gptqmodel:0.9.0"}) {
      EXPECT_TRUE(same(read(three, in_order, config(others)), three.qzeros)) << others << " sym " << sym;
    }
  }
  // A rule gives the module 8 bits in a folder of 4.
  const std::vector<uint32_t> of_four(3, 0x11111111), of_eight(3, 0x01010101);
  const PackedWeight eight = sample(8, 64), middle = sample(8, 64, true);
  const auto mixed = [](const std::string& quantizer, const char* sym = "false") {
    return R"({"bits":4,"group_size":64,"sym":)" + std::string(sym) +
           R"(,"dynamic":{".*":{"bits":8}},"meta":{"quantizer":[")" + quantizer + "\"]}}";
  };
  EXPECT_TRUE(same(read(eight, of_four, mixed("gptqmodel:7.3.6")), eight.qzeros));
  EXPECT_TRUE(same(read(eight, of_eight, mixed("gptqmodel:7.4.0")), eight.qzeros));
  EXPECT_TRUE(same(read(eight, of_eight, mixed("gptq:0.1.0")), eight.qzeros));
  EXPECT_TRUE(same(read(middle, of_four, mixed("gptqmodel:5.8.0", "true")), middle.qzeros));
  EXPECT_TRUE(same(read(middle, of_eight, mixed("gptqmodel:5.8.0", "true")), middle.qzeros)) << "another tool's words";
  // In a folder of 3 bits, rows of 8-bit zeros are no whole number of three words.
  const PackedWeight rows = sample(8, 32);
  ASSERT_NE(rows.qzeros.shape().back() % 3, 0);
  ASSERT_GT(rows.qzeros.shape().front(), 1);
  const std::string eight_in_three =
      R"({"bits":3,"group_size":32,"sym":false,"dynamic":{".*":{"bits":8}},"meta":{"quantizer":["gptqmodel:5.8.0"]}})";
  EXPECT_TRUE(same(read(rows, reversed, eight_in_three), rows.qzeros));
}

TEST(PackedFormat, WarnsOfDamagedZeros) {
  PackedFolder folder(sample(4, 64), CheckpointFormat::kGptq, ",\"sym\":false");
  folder[".qzeros"].values<int32_t>()[0] = word(0xFFFFF456);
  LogCapture log;
  folder.read();
  ASSERT_EQ(log.warnings.size(), 1u);
  EXPECT_NE(log.warnings[0].find("layer.proj.qzeros"), std::string::npos);
  folder[".qzeros"].values<int32_t>()[0] = word(0xF6666666);  // one true wrap at the top
  folder.read();
  EXPECT_EQ(log.warnings.size(), 1u);
}

TEST(PackedFormat, MislabelledSymmetricZerosBecomeTheMiddle) {
  for (const int bits : {2, 3, 4, 8}) {
    const PackedWeight weight = sample(bits, 32, true);
    for (const auto& [stored, label] : {std::pair{CheckpointFormat::kGptq, CheckpointFormat::kGptqV2},
                                        std::pair{CheckpointFormat::kGptqV2, CheckpointFormat::kGptq}}) {
      PackedFolder folder(weight, stored);
      folder.set_config("{\"bits\":" + std::to_string(bits) + ",\"group_size\":32,\"format\":\"" + to_string(label) +
                        "\"}");
      LogCapture log;
      EXPECT_TRUE(same(folder.read().qzeros, weight.qzeros)) << bits;
      EXPECT_EQ(log.warnings.size(), 1u);
    }
  }
}

TEST(PackedFormat, GroupIndexes) {
  const PackedWeight weight = sample(4, 32);
  PackedFolder folder(weight, CheckpointFormat::kGptqV2);
  folder.remove(".g_idx");
  EXPECT_TRUE(same(folder.read().g_idx, weight.g_idx));
  folder[".g_idx"] = Tensor(DType::kI32, {kInputs});  // all zero, with two groups
  EXPECT_TRUE(same(folder.read().g_idx, weight.g_idx));
  Tensor scattered(DType::kI32, {kInputs});
  for (int64_t k = 0; k < kInputs; ++k)
    scattered.values<int32_t>()[static_cast<size_t>(k)] = static_cast<int32_t>(k % 2);
  folder[".g_idx"] = copy_tensor(scattered.view());
  EXPECT_TRUE(same(folder.read().g_idx, scattered));
  for (const int32_t bad : {-1, 2, 1 << 30}) {
    folder[".g_idx"].values<int32_t>()[5] = bad;
    expect_error(ErrorKind::kVerification, {folder.file(), "layer.proj.g_idx", std::to_string(bad)},
                 [&] { folder.read(); });
  }
}

TEST(PackedFormat, ScalesOfOtherTypes) {
  const PackedWeight weight = sample(4, 64);
  PackedFolder folder(weight, CheckpointFormat::kGptqV2);
  std::vector<float> values(kOutputs, 0.125f);
  folder[".scales"] = make_tensor<float>(DType::kF32, {1, kOutputs}, values);
  LogCapture log;
  EXPECT_EQ(to_float(folder.read().scales.values<Half>()[3]), 0.125f);
  EXPECT_TRUE(log.notes.empty());
  values[3] = 0.1f;
  folder[".scales"] = make_tensor<float>(DType::kF32, {1, kOutputs}, values);
  EXPECT_EQ(folder.read().scales.values<Half>()[3].bits, to_half(0.1f).bits);
  EXPECT_EQ(log.notes.size(), 1u);
  folder[".scales"] = make_tensor<uint16_t>(DType::kBF16, {1, kOutputs}, std::vector<uint16_t>(kOutputs, 0x3E00));
  EXPECT_EQ(to_float(folder.read().scales.values<Half>()[3]), 0.125f);
  for (const float bad : {1e6f, std::nanf(""), -std::numeric_limits<float>::infinity()}) {
    values[3] = bad;
    folder[".scales"] = make_tensor<float>(DType::kF32, {1, kOutputs}, values);
    expect_error(ErrorKind::kNumerical, {folder.file(), "layer.proj.scales", "scale 3"}, [&] { folder.read(); });
  }
  folder[".scales"] = make_tensor<int32_t>(DType::kI32, {1, kOutputs}, std::vector<int32_t>(kOutputs, 1));
  expect_error(ErrorKind::kVerification, {folder.file(), "layer.proj.scales", "I32"}, [&] { folder.read(); });
}

TEST(PackedFormat, Biases) {
  PackedFolder folder(sample(4, 64), CheckpointFormat::kGptqV2);
  EXPECT_TRUE(folder.read().bias.empty());
  folder[".bias"] = Tensor(DType::kF16, {kOutputs});
  EXPECT_TRUE(folder.read().bias.empty());
  folder[".bias"].values<Half>()[7] = to_half(-1.5f);
  const PackedWeight weight = folder.read();
  EXPECT_EQ(weight.bias.dtype(), DType::kF32);
  EXPECT_EQ(weight.bias.values<float>()[7], -1.5f);
  folder[".bias"].values<Half>()[7] = {0x7E00};
  expect_error(ErrorKind::kNumerical, {folder.file(), "layer.proj.bias"}, [&] { folder.read(); });
  folder[".bias"] = Tensor(DType::kF16, {kOutputs - 1});
  expect_error(ErrorKind::kVerification, {folder.file(), "[31]", "[32]"}, [&] { folder.read(); });

  PackedWeight large = sample(4, 64);
  large.bias = make_tensor<float>(DType::kF32, {kOutputs}, std::vector<float>(kOutputs, 1e5f));
  expect_error(ErrorKind::kNumerical, {kModule, "bias"},
               [&] { stored_tensors(large, kModule, CheckpointFormat::kGptq); });
  large.bias = Tensor();
  large.scales.values<Half>()[0] = {0x7C00};
  expect_error(ErrorKind::kNumerical, {kModule, "scales"},
               [&] { stored_tensors(large, kModule, CheckpointFormat::kGptq); });
}

TEST(PackedFormat, WrongTypesAndShapes) {
  for (const std::string ending : {".qweight", ".qzeros", ".scales"}) {
    PackedFolder folder(sample(4, 32), CheckpointFormat::kGptq);
    const Tensor original = copy_tensor(folder[ending].view());
    folder[ending] = Tensor(original.dtype(), {original.shape()[0] + 1, original.shape()[1]});
    expect_error(ErrorKind::kVerification, {folder.file(), kModule + ending, gptq::to_string(original.shape())},
                 [&] { folder.read(); });
    folder[ending] = Tensor(DType::kI64, original.shape());
    expect_error(ErrorKind::kVerification, {folder.file(), kModule + ending, "I64"}, [&] { folder.read(); });
    folder.remove(ending);
    expect_error(ErrorKind::kVerification, {kModule + ending, "missing"}, [&] { folder.read(); });
  }
}

TEST(PackedFormat, ConfigsThatDoNotFit) {
  PackedFolder folder(sample(4, 32), CheckpointFormat::kGptq);
  folder.set_config(R"({"bits":8,"group_size":32})");
  expect_error(ErrorKind::kVerification, {"layer.proj.qweight", "[8, 32]", "[16, 32]"}, [&] { folder.read(); });
  folder.set_config(R"({"bits":4,"group_size":16})");
  expect_error(ErrorKind::kVerification, {"layer.proj.scales"}, [&] { folder.read(); });
  folder.set_config(R"({"bits":4,"group_size":32,"dynamic":{"-:layer":{}}})");
  expect_error(ErrorKind::kVerification, {kModule, "dynamic"}, [&] { folder.read(); });
  folder.set_config(R"({"bits":8,"group_size":64,"dynamic":{"layer\\.":{"bits":4,"group_size":32}}})");
  EXPECT_EQ(folder.read().bits, 4);
}

TEST(PackedFormat, FolderWithoutQuantizationConfig) {
  PackedFolder folder(sample(4, 32), CheckpointFormat::kGptq);
  folder.set_config("");
  expect_error(ErrorKind::kVerification, {kModule, "quantize_config.json"}, [&] { folder.read(); });
}

TEST(PackedFormat, WidthsThatAreNoMultipleOf32) {
  const Checkpoint checkpoint = Checkpoint::open(golden("models/qwen2_gptq_3bit"));
  expect_error(ErrorKind::kVerification, {"multiples of 32"}, [&] { read_packed(checkpoint, "m", 40, 64); });
}

}  // namespace
}  // namespace gptq::checkpoint
