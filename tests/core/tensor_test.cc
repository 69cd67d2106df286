// Tensors, types and hashes of the ground floor.
#include "core/tensor.h"

#include "core/hash.h"
#include "tests/checkpoint/model_files.h"

namespace gptq {
namespace {

using testing::expect_error;
using testing::make_tensor;

TEST(DTypes, NamesAndSizesAgree) {
  for (size_t i = 0; i < std::size(kDTypes); ++i) {
    EXPECT_EQ(static_cast<size_t>(kDTypes[i].dtype), i);
    EXPECT_EQ(dtype_from_name(kDTypes[i].name), kDTypes[i].dtype);
    EXPECT_EQ(size_of(kDTypes[i].dtype), kDTypes[i].bytes);
  }
  EXPECT_EQ(dtype_from_name("f32"), std::nullopt);
}

TEST(Tensors, NewMemoryIsZeroAndAligned) {
  const Tensor tensor(DType::kF32, {3, 5});
  EXPECT_EQ(tensor.bytes(), 60u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.data()) % 64, 0u);
  for (float value : tensor.values<float>()) EXPECT_EQ(value, 0.0f);
  EXPECT_TRUE(Tensor().empty());
  EXPECT_TRUE(Tensor(DType::kF32, {4, 0}).empty());
  EXPECT_EQ(Tensor(DType::kF32, {}).size(), 1);
  EXPECT_EQ(to_string(Shape{2, 3}), "[2, 3]");
  EXPECT_EQ(to_string(Shape{}), "[]");
  expect_error(ErrorKind::kGeneral, {"CHECK"}, [&] { tensor.values<Half>(); });
}

TEST(Tensors, ToFloat32) {
  const auto first = [](const Tensor& tensor) { return to_float32(tensor.view(), "x").values<float>()[1]; };
  EXPECT_EQ(first(make_tensor<float>(DType::kF32, {2}, {0, 1.5f})), 1.5f);
  EXPECT_EQ(first(make_tensor<double>(DType::kF64, {2}, {0, 1.5})), 1.5f);
  EXPECT_EQ(first(make_tensor<uint16_t>(DType::kF16, {2}, {0, 0x3E00})), 1.5f);
  EXPECT_EQ(first(make_tensor<uint16_t>(DType::kBF16, {2}, {0, 0x3FC0})), 1.5f);
  const Tensor whole = make_tensor<int32_t>(DType::kI32, {1}, {1});
  expect_error(ErrorKind::kVerification, {"some tensor", "I32"}, [&] { to_float32(whole.view(), "some tensor"); });
  // Files promise no alignment.
  const std::string bytes = std::string("x") + std::string("\0\0\xc0\x3f", 4);
  const TensorView odd{DType::kF32, {1}, reinterpret_cast<const std::byte*>(bytes.data()) + 1};
  EXPECT_EQ(to_float32(odd, "x").values<float>()[0], 1.5f);
}

TEST(Hash, KnownDigests) {
  EXPECT_EQ(sha256_hex({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  const std::string abc = "abc";
  EXPECT_EQ(sha256_hex(std::as_bytes(std::span(abc))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace gptq
