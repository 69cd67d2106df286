// solve_linear_set where the data is awkward: dead columns, weights of zero, Hessians that do not factorise, huge outliers.
#include "quantize/solver.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "core/half.h"

namespace gptq::quantization {

using backend::Matrix;

namespace {

constexpr int64_t kRows = 32;

std::vector<float> random_values(int64_t count, uint32_t seed, float deviation) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, deviation);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = normal(random);
  return values;
}

struct Solution : SolveResult {
  std::vector<float> natural_codes;  // [K, N]  columns in their natural order
};

// One problem on the CPU: inputs X, their Hessian, weights; and what the solution stands for.
struct Fixture {
  int64_t k;
  std::unique_ptr<backend::Backend> backend = backend::make_cpu_backend(2);
  std::vector<float> x, weights;  // [T, K], [N, K]
  std::vector<float> hessian;     // [K, K]
  std::vector<float> cross;       // [K, K]  empty without GPTAQ
  Matrix hessian_on_host;         // without memory the Hessian stays on the device
  SolveProblem problem;           // the settings

  explicit Fixture(int64_t columns, uint32_t seed = 1) : k(columns) {
    x = random_values(3 * k * k, seed, 1.0f);
    for (int64_t t = 0; t < 3 * k; ++t) {
      for (int64_t i = 1; i < k; ++i) x[at(t, i)] += 0.7f * x[at(t, i - 1)];
      for (int64_t i = 5; i < k; i += 30) x[at(t, i)] *= 6.0f;
    }
    weights = random_values(kRows * k, seed + 1, 0.05f);
    problem.grid.group_size = 32;
    take_hessian_of_x();
  }
  size_t at(int64_t row, int64_t column) const { return static_cast<size_t>(row * k + column); }
  void take_hessian_of_x() {
    hessian.assign(static_cast<size_t>(k * k), 0.0f);
    for (int64_t i = 0; i < k; ++i) {
      for (int64_t j = 0; j <= i; ++j) {
        double sum = 0;
        for (int64_t t = 0; t < 3 * k; ++t) sum += double{x[at(t, i)]} * x[at(t, j)];
        hessian[at(i, j)] = static_cast<float>(sum);
      }
    }
  }
  Matrix put(const std::vector<float>& values) const {
    Matrix matrix = backend->allocate(DType::kF32, static_cast<int64_t>(values.size()) / k, k);
    backend->upload(matrix.view(), values);
    return matrix;
  }
  Solution solve() {
    SolveProblem p;
    p.weights = put(weights);
    p.hessian = put(hessian);
    if (!cross.empty()) p.gptaq = GptaqTerms{put(cross), put(hessian)};
    p.hessian_on_host = hessian_on_host.view();
    p.gptaq_strength = problem.gptaq_strength;
    p.damp = problem.damp;
    p.grid = problem.grid;
    p.lowest_zero = problem.lowest_zero;
    Solution solution{solve_linear_set(std::move(p), *backend), {}};
    const std::vector<float> ordered = backend->download(solution.codes.view());
    solution.natural_codes.resize(ordered.size());
    for (int64_t j = 0; j < k; ++j) {
      std::copy_n(ordered.begin() + j * kRows, kRows,
                  solution.natural_codes.begin() + solution.order[static_cast<size_t>(j)] * kRows);
    }
    return solution;
  }
};

float value_of(const Solution& s, int64_t n, int64_t k) {
  const size_t at = static_cast<size_t>(s.g_idx[static_cast<size_t>(k)] * s.rows + n);
  return s.scales[at] * (s.natural_codes[static_cast<size_t>(k * s.rows + n)] - s.zeros[at]);
}

double total(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0); }

void expect_legal(const Solution& s, int bits) {
  for (const float code : s.natural_codes) ASSERT_LT(code, 1 << bits);
  for (const float scale : s.scales)
    ASSERT_TRUE(scale > 0 && scale <= 65504 && to_float(to_half(scale)) == scale) << scale;
  for (const float zero : s.zeros) ASSERT_TRUE(zero >= 0 && zero < static_cast<float>(1 << bits)) << zero;
  for (const double error : s.error) ASSERT_TRUE(std::isfinite(error));
}

// Each column to its nearest code, with the scales of the solution: what rounding without feedback makes of it.
void expect_rounded_to_nearest(const Fixture& f, const Solution& s, int64_t column) {
  for (int64_t n = 0; n < kRows; ++n) {
    const float scale = s.scales[static_cast<size_t>(s.g_idx[static_cast<size_t>(column)] * s.rows + n)];
    const float w = f.weights[f.at(n, column)];
    const float most = value_of(s, n, column) > 0 ? 7 * scale : -8 * scale;
    EXPECT_TRUE(std::abs(w - value_of(s, n, column)) <= 0.501f * scale ||
                (std::abs(w) >= std::abs(most) && value_of(s, n, column) == most))
        << n << ": " << w << " became " << value_of(s, n, column);
  }
}

TEST(Solver, DeadColumnsAreRoundedAndDisturbNothing) {
  for (const bool desc_act : {false, true}) {
    Fixture f(96);
    for (int64_t t = 0; t < 3 * 96; ++t) f.x[f.at(t, 7)] = f.x[f.at(t, 40)] = f.x[f.at(t, 95)] = 0.0f;
    f.take_hessian_of_x();
    f.problem.grid.desc_act = desc_act;
    f.problem.grid.clip = "none";
    const Solution s = f.solve();
    EXPECT_EQ(s.method, "gptq");
    expect_legal(s, 4);
    for (const int64_t column : {7, 40, 95}) expect_rounded_to_nearest(f, s, column);
  }
}

TEST(Solver, WeightsOfZeroStayZero) {
  for (const bool sym : {true, false}) {
    for (const std::string clip : {"none", "mse", "hessian"}) {
      Fixture f(96);
      std::fill(f.weights.begin(), f.weights.begin() + 3 * 96, 0.0f);
      f.problem.grid.sym = sym;
      f.problem.grid.clip = clip;
      f.problem.lowest_zero = 1;
      const Solution s = f.solve();
      expect_legal(s, 4);
      for (int64_t n = 0; n < 3; ++n) {
        for (int64_t k = 0; k < 96; ++k) ASSERT_EQ(value_of(s, n, k), 0.0f);
        EXPECT_EQ(s.error[static_cast<size_t>(n)], 0.0);
        EXPECT_EQ(s.energy[static_cast<size_t>(n)], 0.0);
      }
    }
  }
}

TEST(Solver, AnAllZeroHessianRoundsToNearest) {
  Fixture f(64);
  std::fill(f.hessian.begin(), f.hessian.end(), 0.0f);
  f.problem.grid.clip = "none";
  const Solution s = f.solve();
  EXPECT_EQ(s.method, "rtn");
  expect_legal(s, 4);
  for (int64_t column = 0; column < 64; ++column) expect_rounded_to_nearest(f, s, column);
}

TEST(Solver, RaisesTheDampingUntilTheHessianFactorises) {
  Fixture f(64);
  double mean = 0;
  for (int64_t i = 0; i < 64; ++i) mean += f.hessian[f.at(i, i)] / 64;
  // Two columns whose correlation is beyond 1 by about 0.05 of the mean: damping 0.01, 0.02, 0.04 are not enough.
  for (int64_t j = 0; j < 64; ++j) {
    if (j < 20) f.hessian[f.at(20, j)] = 0.0f;
    if (j < 21) f.hessian[f.at(21, j)] = 0.0f;
    if (j > 20) f.hessian[f.at(j, 20)] = 0.0f;
    if (j > 21) f.hessian[f.at(j, 21)] = 0.0f;
  }
  f.hessian[f.at(20, 20)] = f.hessian[f.at(21, 21)] = static_cast<float>(mean);
  f.hessian[f.at(21, 20)] = static_cast<float>(1.05 * mean);
  const Solution s = f.solve();
  EXPECT_EQ(s.method, "gptq");
  EXPECT_DOUBLE_EQ(s.damp, 0.08);
  expect_legal(s, 4);
}

TEST(Solver, GoesToDoublePrecisionWhenSingleFails) {
  // Blocks [a b; b c] with a·c − b² barely positive: fp32 cannot tell it from zero, and the damping is below its eps.
  Fixture f(64);
  std::fill(f.hessian.begin(), f.hessian.end(), 0.0f);
  for (int64_t i = 0; i < 64; i += 2) {
    const float a = static_cast<float>(1000003 + 14 * i), b = static_cast<float>(1200007 + 22 * i);
    float c = static_cast<float>(double{b} * b / a);
    while (double{a} * c <= double{b} * b) c = std::nextafter(c, INFINITY);
    f.hessian[f.at(i, i)] = a, f.hessian[f.at(i + 1, i)] = b, f.hessian[f.at(i + 1, i + 1)] = c;
  }
  f.problem.damp = 1e-12;
  const Solution s = f.solve();
  EXPECT_EQ(s.method, "gptq (double precision)");
  EXPECT_DOUBLE_EQ(s.damp, 64e-12);
  expect_legal(s, 4);
}

TEST(Solver, RoundsToNearestWhenNothingFactorises) {
  for (const float bad : {-1e9f, NAN, INFINITY}) {
    Fixture f(64);
    f.hessian[f.at(30, 30)] = bad;
    f.problem.grid.clip = "none";
    f.problem.grid.group_aware = false;
    const Solution s = f.solve();
    EXPECT_EQ(s.method, "rtn") << bad;
    EXPECT_EQ(s.damp, 0.0);
    for (int64_t column = 0; column < 64; ++column) expect_rounded_to_nearest(f, s, column);
  }
}

TEST(Solver, ConstantRows) {
  for (const float value : {0.03f, -0.03f}) {
    for (const bool sym : {true, false}) {
      Fixture f(64);
      std::fill_n(f.weights.begin(), 64, value);
      f.problem.grid.sym = sym;
      f.problem.grid.clip = "none";
      const Solution s = f.solve();
      expect_legal(s, 4);
      // The positive end of a symmetric grid is half a step short. An asymmetric one is exact up to its fp16 scale,
      // whose error the first group hands to the second.
      EXPECT_LT(s.error[0], (sym ? 0.01 : 1e-5) * s.energy[0]) << value;
    }
  }
}

TEST(Solver, AHugeOutlierIsClippedAtTheLargestScale) {
  Fixture f(64);
  f.weights[f.at(2, 10)] = 3e6f;  // wants a scale of 4e5; fp16 ends at 65504
  f.weights[f.at(3, 10)] = -3e38f;
  f.problem.grid.clip = "none";
  f.problem.grid.group_aware = false;
  const Solution s = f.solve();
  for (const float scale : s.scales) EXPECT_TRUE(scale > 0 && scale <= 65504.0f);
  EXPECT_EQ(s.scales[2], 65504.0f);
  EXPECT_EQ(value_of(s, 2, 10), 7 * 65504.0f);
  EXPECT_EQ(value_of(s, 3, 10), -8 * 65504.0f);
  EXPECT_GT(s.error[2], 0.1 * s.energy[2]);  // and it shows in the reported error
  EXPECT_LT(s.error[0], 0.1 * s.energy[0]);
}

TEST(Solver, SmallWeightsKeepTheirPrecision) {
  // Scales below 2^-14 are subnormal in fp16; they must not be rounded up to the smallest normal number.
  Fixture f(64), small(64);
  f.problem.grid.bits = small.problem.grid.bits = 8;
  for (float& w : small.weights) w *= 0x1p-6f;  // about 0.0008, a scale of 2e-5
  const Solution a = f.solve(), b = small.solve();
  expect_legal(b, 8);
  EXPECT_LT(total(b.error) / total(b.energy), 1.05 * total(a.error) / total(a.energy));
}

TEST(Solver, StaticGroupsWithGroupAwareOrderUseTheirOwnScales) {
  // Groups of very different size, in an order that moves them: a foreign scale would show at once.
  Fixture f(96);
  for (int64_t t = 0; t < 3 * 96; ++t) {
    for (int64_t i = 64; i < 96; ++i) f.x[f.at(t, i)] *= 10.0f;
  }
  f.take_hessian_of_x();
  for (int64_t n = 0; n < kRows; ++n) {
    for (int64_t i = 0; i < 96; ++i) f.weights[f.at(n, i)] *= i < 32 ? 100.0f : i < 64 ? 1.0f : 0.01f;
  }
  f.problem.grid.static_groups = true;
  for (const bool group_aware : {true, false}) {
    f.problem.grid.group_aware = group_aware;
    f.problem.grid.clip = "none";
    const Solution s = f.solve();
    for (int64_t g = 0; g < 3; ++g) {
      for (int64_t n = 0; n < kRows; ++n) {
        float largest = 0;
        for (int64_t i = 32 * g; i < 32 * g + 32; ++i) {
          largest = std::max(largest, std::abs(f.weights[f.at(n, i)]));
          EXPECT_EQ(s.g_idx[static_cast<size_t>(i)], g);
        }
        EXPECT_NEAR(s.scales[static_cast<size_t>(g * kRows + n)] * 7.5f / largest, 1.0f, 0x1.1p-11f);
      }
    }
    EXPECT_LT(total(s.error), 0.02 * total(s.energy));
  }
}

// Σ over rows of e·H·eᵀ in double precision, for e = W − Q.
double loss_of(const Fixture& f, const Solution& s, int64_t first, int64_t count) {
  double sum = 0;
  for (int64_t n = 0; n < kRows; ++n) {
    for (int64_t i = first; i < first + count; ++i) {
      for (int64_t j = first; j < first + count; ++j) {
        const double h = i >= j ? f.hessian[f.at(i, j)] : f.hessian[f.at(j, i)];
        sum += (f.weights[f.at(n, i)] - value_of(s, n, i)) * h * (f.weights[f.at(n, j)] - value_of(s, n, j));
      }
    }
  }
  return sum;
}

TEST(Solver, ReportsTheErrorItHas) {
  Fixture f(96);
  const Solution s = f.solve();
  EXPECT_NEAR(total(s.error) / loss_of(f, s, 0, 96), 1.0, 1e-4);
}

TEST(Solver, BeatsRoundingToNearest) {
  for (const int bits : {2, 3, 4, 8}) {
    for (const bool desc_act : {false, true}) {
      for (const int group_size : {-1, 32, 128}) {
        Fixture f(160, 7);
        f.problem.grid.bits = bits;
        f.problem.grid.group_size = group_size;
        f.problem.grid.desc_act = desc_act;
        f.problem.grid.clip = "none";
        const Solution s = f.solve();
        Fixture rounding(160, 7);
        rounding.problem.grid = f.problem.grid;
        for (int64_t i = 0; i < 160; ++i) {  // only a diagonal: nothing to feed back
          for (int64_t j = 0; j < i; ++j) rounding.hessian[f.at(i, j)] = 0.0f;
        }
        const Solution rounded = rounding.solve();
        EXPECT_LT(total(s.error), 0.8 * loss_of(f, rounded, 0, 160)) << bits << " bits, groups of " << group_size;
      }
    }
  }
}

TEST(Solver, TheHessianClipIsNeverWorseOnTheFirstGroup) {
  // One group of all columns: what the search compares is then the whole loss.
  for (const int bits : {2, 3, 4}) {
    for (const bool sym : {true, false}) {
      Fixture f(96, 11);
      f.problem.grid.bits = bits;
      f.problem.grid.sym = sym;
      f.problem.grid.group_size = -1;
      f.problem.grid.group_aware = false;
      f.problem.damp = 1e-5;  // the search sees H with damping, the reported error is without
      f.problem.grid.clip = "none";
      const Solution none = f.solve();
      f.problem.grid.clip = "hessian";
      const Solution clipped = f.solve();
      for (size_t n = 0; n < kRows; ++n)
        EXPECT_LE(clipped.error[n], none.error[n] * 1.001) << bits << " bits, row " << n;
      EXPECT_LT(total(clipped.error), total(none.error));
    }
  }
}

TEST(Solver, GptaqComesNearerToTheOriginalOutputs) {
  const int64_t k = 96, tokens = 3 * k;
  for (const bool desc_act : {false, true}) {
    Fixture f(k, 13);
    // X is what the quantized layers before give; X_original is another linear map of it plus noise.
    std::vector<float> original = f.x;
    const std::vector<float> noise = random_values(tokens * k, 99, 0.1f);
    for (int64_t t = 0; t < tokens; ++t) {
      for (int64_t i = 0; i < k; ++i) original[f.at(t, i)] += 0.1f * f.x[f.at(t, (i + 17) % k)] + noise[f.at(t, i)];
    }
    const auto output_error = [&](const Solution& s) {
      double sum = 0;
      for (int64_t n = 0; n < kRows; ++n) {
        for (int64_t t = 0; t < tokens; ++t) {
          double difference = 0;
          for (int64_t i = 0; i < k; ++i) {
            difference +=
                double{f.weights[f.at(n, i)]} * original[f.at(t, i)] - double{value_of(s, n, i)} * f.x[f.at(t, i)];
          }
          sum += difference * difference;
        }
      }
      return sum;
    };
    f.problem.grid.desc_act = desc_act;
    const double plain = output_error(f.solve());
    double errors[2];
    const Matrix cross = f.put(std::vector<float>(static_cast<size_t>(k * k)));
    f.backend->accumulate_cross(cross.view(), f.put(original).view(), f.put(f.x).view());
    f.cross = f.backend->download(cross.view());
    Solution here;
    for (const double alpha : {0.5, 1.0}) {
      f.problem.gptaq_strength = alpha;
      here = f.solve();
      errors[alpha == 1.0] = output_error(here);
    }
    // A Hessian that waits in host memory comes back as it was.
    f.hessian_on_host = f.backend->allocate_host(DType::kF32, k, k);
    const Solution there = f.solve();
    EXPECT_EQ(there.natural_codes, here.natural_codes);
    EXPECT_EQ(there.error, here.error);
    EXPECT_LT(errors[0], plain);
    EXPECT_LT(errors[1], 0.7 * plain);
    EXPECT_LT(errors[1], errors[0]);
  }
}

TEST(ColumnOrder, FollowsTheDiagonal) {
  const std::vector<float> diagonal = {1, 5, 5, 2, 9, 0, 3, 3, 7, 8};  // groups of 4, the last of 2
  GridOptions grid;
  grid.group_aware = false;
  EXPECT_EQ(column_order(grid, 4, diagonal), (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  grid.group_aware = true;
  EXPECT_EQ(column_order(grid, 4, diagonal), (std::vector<int>{4, 6, 7, 5, 1, 2, 3, 0, 9, 8}));
  EXPECT_EQ(column_order(grid, 5, diagonal), (std::vector<int>{4, 1, 2, 3, 0, 9, 8, 6, 7, 5}));
  grid.desc_act = true;  // wins over group_aware
  EXPECT_EQ(column_order(grid, 4, diagonal), (std::vector<int>{4, 9, 8, 1, 2, 6, 7, 3, 0, 5}));
}

}  // namespace
}  // namespace gptq::quantization
