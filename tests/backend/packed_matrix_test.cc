// Packed weights of the CPU: the layout of tiles, rounding of heads, and sums that do not depend on other rows.
#include "backend/cpu/packed/packed_matrix.h"

#include <cmath>
#include <cstring>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/reference.h"
#include "tests/backend/packed_cases.h"
#include "tests/backend/plain_matrix.h"

namespace gptq::backend {
namespace {

std::vector<float> linear(Backend& backend, const Weight& weight, const Host& x) {
  Matrix in = backend.allocate(DType::kF32, x.rows, x.cols);
  backend.upload(in.view(), x.values);
  const Matrix out = backend.allocate(DType::kF32, x.rows, weight.out_features());
  const Weight* const weights[] = {&weight};
  backend.linear(out.view(), in.view(), weights);
  return backend.download(out.view());
}

Host rows_of(const Host& x, int64_t first, int64_t count) {
  Host part(count, x.cols);
  std::copy_n(x.values.begin() + first * x.cols, count * x.cols, part.values.begin());
  return part;
}

TEST(PackedMatrix, RowsAreTheDequantizedWeights) {
  ThreadPool pool(2);
  uint32_t seed = 0;
  for (const int bits : {2, 3, 4, 8}) {
    for (const Grouping grouping : {Grouping::kNatural, Grouping::kScattered, Grouping::kUnequal}) {
      const PackedWeight weight = random_packed({bits, 32, 160, 320, false, grouping, false}, ++seed);
      const packed::PackedMatrix matrix(weight, pool);
      const std::vector<float> want = reference::dequantize(weight);
      std::vector<float> row(160);
      for (int64_t n = 0; n < 320; ++n) {
        matrix.row(n, row.data());
        for (size_t k = 0; k < row.size(); ++k) ASSERT_EQ(row[k], want[static_cast<size_t>(n) * 160 + k]) << bits;
      }
    }
  }
}

TEST(PackedMatrix, ARowGivesTheSameBitsAloneAndAmongOthers) {
  const auto backend = make_cpu_backend(3);
  for (const int bits : {2, 3, 4, 8}) {
    const auto weight = backend->load_weight(random_packed({bits, 128, 640, 96, true, Grouping::kNatural, true}, 5));
    const Host x = random_host(70, 640, 6);
    const std::vector<float> together = linear(*backend, *weight, x);
    for (const int64_t count : {1, 2, 7}) {
      for (int64_t first = 0; first + count <= x.rows; first += 23) {
        const std::vector<float> part = linear(*backend, *weight, rows_of(x, first, count));
        ASSERT_EQ(std::memcmp(part.data(), together.data() + first * 96, part.size() * sizeof(float)), 0) << bits;
      }
    }
  }
}

// |x·w − x·round(w)| ≤ Σ|x|·step / 2 with the step of each group; sizes that fill neither tiles nor groups.
TEST(PackedMatrix, AHeadIsRoundedToTheNearestStep) {
  const auto backend = make_cpu_backend(2);
  const int64_t n_count = 45, k_count = 300;
  const Host dense = random_host(n_count, k_count, 1, 0.1f);
  Tensor stored(DType::kBF16, {n_count, k_count});
  for (size_t i = 0; i < dense.values.size(); ++i) stored.values<BFloat16>()[i] = to_bfloat16(dense.values[i]);
  Tensor bias(DType::kF32, {n_count});
  for (int64_t n = 0; n < n_count; ++n) bias.values<float>()[static_cast<size_t>(n)] = static_cast<float>(n);
  const TensorView bias_view = bias.view();
  const auto head = backend->load_head(stored.view(), &bias_view);
  EXPECT_EQ(head->bytes(), 64 * 320 + 2 * 3 * 32 * 3) << "a byte for each weight of two tiles, and scales and zeros";
  const auto exact = make_cpu_backend(2, {.int8_head = false})->load_head(stored.view(), &bias_view);
  for (const int64_t rows : {1, 9}) {
    const Host x = random_host(rows, k_count, 2);
    const std::vector<float> got = linear(*backend, *head, x), want = linear(*backend, *exact, x);
    for (int64_t m = 0; m < rows; ++m) {
      for (int64_t n = 0; n < n_count; ++n) {
        double allowed = 1e-3;
        for (int64_t k = 0; k < k_count; ++k) {
          float largest = 0;  // of the group
          for (int64_t j = k / 128 * 128; j < std::min(k_count, k / 128 * 128 + 128); ++j) {
            largest =
                std::max(largest, std::abs(to_float(stored.values<BFloat16>()[static_cast<size_t>(n * k_count + j)])));
          }
          allowed += std::abs(double{x.values[static_cast<size_t>(m * k_count + k)]}) * largest / 127 * 0.51;
        }
        const auto i = static_cast<size_t>(m * n_count + n);
        ASSERT_LE(std::abs(got[i] - want[i]), allowed) << m << " " << n;
        ASSERT_LE(std::abs(got[i] - want[i]), 0.05) << "rounding errors average out";
      }
    }
  }
}

TEST(PackedMatrix, EightBitActivationsAreForPromptsOnly) {
  const auto exact = make_cpu_backend(2), fast = make_cpu_backend(2, {.int8_prompts = true});
  const PackedWeight weight = random_packed({4, 128, 512, 64, true, Grouping::kNatural, false}, 3);
  const auto a = exact->load_weight(weight), b = fast->load_weight(weight);
  const Host few = random_host(8, 512, 4), many = random_host(9, 512, 4);
  EXPECT_EQ(linear(*exact, *a, few), linear(*fast, *b, few));
  const std::vector<float> want = linear(*exact, *a, many), got = linear(*fast, *b, many);
  EXPECT_NE(want, got);
  double error = 0, energy = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    error += std::pow(double{want[i]} - got[i], 2);
    energy += std::pow(double{want[i]}, 2);
  }
  EXPECT_LT(std::sqrt(error / energy), 0.01);
}

}  // namespace
}  // namespace gptq::backend
