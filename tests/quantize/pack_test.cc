// pack puts every code, zero and scale where a reader looks for it.
#include "quantize/pack.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/reference.h"

namespace gptq::quantization {
namespace {

// A solution on `backend`; `codes` [K, N] has its rows in processing order.
SolveResult random_solution(int bits, int64_t rows, int64_t columns, int64_t group_size, bool scattered,
                            std::vector<float>& codes, backend::Backend& backend) {
  std::mt19937 random(1);
  SolveResult s;
  s.rows = rows, s.columns = columns, s.groups = (columns + group_size - 1) / group_size;
  s.bits = bits, s.group_size = group_size;
  codes.clear();
  for (int64_t i = 0; i < columns * rows; ++i) codes.push_back(static_cast<float>(random() & ((1u << bits) - 1)));
  s.codes = backend.allocate(DType::kU8, columns, rows);
  backend.upload(s.codes.view(), codes);
  for (int64_t k = 0; k < columns; ++k) s.order.push_back(static_cast<int>(k));
  if (scattered) std::shuffle(s.order.begin(), s.order.end(), random);
  for (int64_t i = 0; i < s.groups * rows; ++i) {
    s.scales.push_back(to_float(to_half(std::uniform_real_distribution<float>(1e-6f, 0.1f)(random))));
    s.zeros.push_back(static_cast<float>(random() & ((1u << bits) - 1)));
  }
  for (int64_t k = 0; k < columns; ++k) s.g_idx.push_back(static_cast<int32_t>(k / group_size));
  if (scattered) std::shuffle(s.g_idx.begin(), s.g_idx.end(), random);
  return s;
}

TEST(Pack, RoundTripGivesScaleTimesCodeMinusZero) {
  const std::unique_ptr<backend::Backend> backend = backend::make_cpu_backend(2);
  for (const int bits : {2, 3, 4, 8}) {
    for (const bool scattered : {false, true}) {
      for (const int64_t group_size : {16, 64, 160}) {
        const int64_t rows = 160, columns = 160;
        std::vector<float> codes;
        const SolveResult s = random_solution(bits, rows, columns, group_size, scattered, codes, *backend);
        for (const auto& [first, count] : {std::pair<int64_t, int64_t>{0, 160}, {0, 32}, {32, 96}, {128, 32}}) {
          Tensor bias(DType::kF32, {count});
          bias.values<float>()[3] = 0.5f;
          const PackedWeight weight = pack(s, first, count, std::move(bias), *backend);
          EXPECT_EQ(weight.bits, bits);
          EXPECT_EQ(weight.in_features, columns);
          EXPECT_EQ(weight.out_features, count);
          EXPECT_EQ(weight.group_size, group_size);
          EXPECT_EQ(weight.groups(), s.groups);
          EXPECT_EQ(weight.qweight.shape(), (Shape{columns * bits / 32, count}));
          EXPECT_EQ(weight.qzeros.shape(), (Shape{s.groups, count * bits / 32}));
          EXPECT_EQ(weight.bias.values<float>()[3], 0.5f);
          const auto g_idx = weight.g_idx.values<int32_t>();
          EXPECT_EQ(std::vector<int32_t>(g_idx.begin(), g_idx.end()), s.g_idx);
          const std::vector<float> dense = backend::reference::dequantize(weight);
          for (int64_t n = 0; n < count; ++n) {
            for (int64_t j = 0; j < columns; ++j) {
              const int64_t k = s.order[static_cast<size_t>(j)];
              const size_t at = static_cast<size_t>(s.g_idx[static_cast<size_t>(k)] * rows + first + n);
              const float code = codes[static_cast<size_t>(j * rows + first + n)];
              ASSERT_EQ(dense[static_cast<size_t>(n * columns + k)], s.scales[at] * (code - s.zeros[at]))
                  << n << " " << k;
            }
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace gptq::quantization
