// Packed fields: the documented bit positions at every width, and round trips with strides.
#include "core/packed_weight.h"

#include <gtest/gtest.h>

#include <random>

namespace gptq {
namespace {

TEST(PackedFields, ThreeBitFieldsStraddleWordsAsDocumented) {
  const auto words_with = [](int64_t index) {
    std::vector<uint32_t> result;
    std::vector<int32_t> words(3);
    pack_field(words.data(), index, 3, 7);
    for (int32_t word : words) result.push_back(static_cast<uint32_t>(word));
    return result;
  };
  EXPECT_EQ(words_with(0), (std::vector<uint32_t>{7, 0, 0}));
  EXPECT_EQ(words_with(9), (std::vector<uint32_t>{7u << 27, 0, 0}));
  EXPECT_EQ(words_with(10), (std::vector<uint32_t>{3u << 30, 1, 0}));
  EXPECT_EQ(words_with(11), (std::vector<uint32_t>{0, 7u << 1, 0}));
  EXPECT_EQ(words_with(21), (std::vector<uint32_t>{0, 1u << 31, 3}));
  EXPECT_EQ(words_with(22), (std::vector<uint32_t>{0, 0, 7u << 2}));
  EXPECT_EQ(words_with(31), (std::vector<uint32_t>{0, 0, 7u << 29}));
}

TEST(PackedFields, LeastSignificantFirst) {
  int32_t words[2] = {};
  for (int64_t i = 0; i < 8; ++i) pack_field(words, i, 4, static_cast<uint32_t>(i));
  EXPECT_EQ(words[0], 0x76543210);
  pack_field(words, 8, 4, 0xF);
  EXPECT_EQ(words[1], 0xF);
}

TEST(PackedFields, RoundTripsWithStrides) {
  std::mt19937 random(1);
  for (const int bits : {2, 3, 4, 8}) {
    for (const int64_t stride : {1, 5}) {
      constexpr int64_t kCount = 128;
      std::vector<int32_t> words(static_cast<size_t>(kCount * bits / 32 * stride));
      std::vector<uint32_t> codes;
      for (int64_t i = 0; i < kCount; ++i) {
        codes.push_back(random() & ((1u << bits) - 1u));
        pack_field(words.data(), i, bits, codes.back(), stride);
      }
      for (int64_t i = 0; i < kCount; ++i) {
        ASSERT_EQ(unpack_field(words.data(), i, bits, stride), codes[static_cast<size_t>(i)]) << bits << " " << i;
      }
    }
  }
}

}  // namespace
}  // namespace gptq
