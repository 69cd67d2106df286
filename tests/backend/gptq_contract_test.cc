// The GPTQ operations on every backend against plain loops in double precision, straight from the paper.
#include <numeric>

#include "backend/cpu/reference.h"
#include "tests/backend/plain_matrix.h"

namespace gptq {
namespace {

class GptqContract : public ContractTest {
 protected:
  Matrix put(const Host& host) {
    Matrix matrix = backend().allocate(DType::kF32, host.rows, host.cols);
    backend().upload(matrix.view(), host.values);
    return matrix;
  }
  Host get(const Matrix& matrix) {
    Host host(matrix.rows(), matrix.cols());
    host.values = backend().download(matrix.view());
    return host;
  }
};

std::vector<int> shuffled(int64_t k, uint32_t seed) {
  std::vector<int> order(static_cast<size_t>(k));
  std::iota(order.begin(), order.end(), 0);
  std::mt19937 random(seed);
  if (seed != 0) std::shuffle(order.begin(), order.end(), random);
  return order;
}

double column_norm(const Host& x, int64_t c) {
  double sum = 0;
  for (int64_t r = 0; r < x.rows; ++r) sum += double{x.at(r, c)} * x.at(r, c);
  return std::sqrt(sum);
}

TEST_P(GptqContract, AccumulateHessian) {
  for (const int64_t k : {32, 96, 128, 160, 288}) {
    for (const int64_t t : {0, 1, 5, 130}) {
      Host first = random_host(t, k, 1), second = random_host(33, k, 2, 3.0f);
      const Placed x1(backend(), first, true), x2(backend(), second, true);
      const Matrix h = put(Host(k, k, 0.25f));
      backend().accumulate_hessian(h.view(), x1.view());
      backend().accumulate_hessian(h.view(), x2.view());
      Host want(k, k, 0.25f);
      reference::accumulate_hessian(want.view(), first.view());
      reference::accumulate_hessian(want.view(), second.view());
      const Host got = get(h);
      std::vector<float> lower_got, lower_want;
      std::vector<double> allowed;
      for (int64_t i = 0; i < k; ++i) {
        for (int64_t j = 0; j <= i; ++j) {
          lower_got.push_back(got.at(i, j));
          lower_want.push_back(want.at(i, j));
          const double size =
              column_norm(first, i) * column_norm(first, j) + column_norm(second, i) * column_norm(second, j);
          allowed.push_back(static_cast<double>(t + 36) * kEps * (size + 0.25));
        }
      }
      expect_close("accumulate_hessian", lower_got, lower_want, [&](size_t i) { return allowed[i]; });
      const std::vector<float> diagonal = backend().diagonal(h.view());
      for (int64_t i = 0; i < k; ++i) EXPECT_EQ(diagonal[static_cast<size_t>(i)], got.at(i, i));
    }
  }
}

TEST_P(GptqContract, AccumulateCross) {
  for (const int64_t k : {32, 96, 160}) {
    for (const int64_t t : {0, 1, 77}) {
      Host target = random_host(t, k, 1), x = random_host(t, k, 2);
      const Placed a(backend(), target, true), b(backend(), x, true);
      const Matrix d = put(Host(k, k, 0.5f));
      backend().accumulate_cross(d.view(), a.view(), b.view());
      backend().accumulate_cross(d.view(), a.view(), b.view());
      Host want(k, k);
      std::vector<double> allowed;
      for (int64_t i = 0; i < k; ++i) {
        for (int64_t j = 0; j < k; ++j) {
          double sum = 0, size = 0;
          for (int64_t row = 0; row < t; ++row) {
            const double product = (double{target.at(row, i)} - x.at(row, i)) * x.at(row, j);
            sum += product, size += std::abs(product);
          }
          want.at(i, j) = static_cast<float>(2 * sum + 0.5);
          allowed.push_back(static_cast<double>(t + 4) * kEps * (2 * size + 1));
        }
      }
      expect_close("accumulate_cross", get(d).values, want.values, [&](size_t i) { return allowed[i]; });
    }
  }
}

// ‖UᵀU·A − I‖ for A = H + damping·I in the given order.
double residual(const Host& u, const Square& a) {
  double sum = 0;
  Square inverse_of_a(a.n);
  for (int64_t m = 0; m < a.n; ++m) {
    for (int64_t i = m; i < a.n; ++i) {
      for (int64_t j = m; j < a.n; ++j) inverse_of_a.at(i, j) += double{u.at(m, i)} * u.at(m, j);
    }
  }
  for (int64_t i = 0; i < a.n; ++i) {
    for (int64_t j = 0; j < a.n; ++j) {
      double product = 0;
      for (int64_t m = 0; m < a.n; ++m) product += inverse_of_a.at(i, m) * a.at(m, j);
      sum += std::pow(product - (i == j), 2);
    }
  }
  return std::sqrt(sum);
}

TEST_P(GptqContract, FactorizeInvertsInAnyOrder) {
  for (const int64_t k : {1, 32, 96, 160, 288}) {
    for (const bool precise : {false, true}) {
      for (const uint32_t seed : {0u, 7u}) {
        const Host h = random_hessian(k, 2 * k, 3);
        const float damping = 0.02f * h.at(0, 0);
        const std::vector<int> order = shuffled(k, seed);
        const Matrix hessian = put(h), u = put(Host(k, k, 9.0f));
        ASSERT_TRUE(backend().factorize(u.view(), hessian.view(), order, damping, precise));
        const Host factor = get(u);
        for (int64_t i = 0; i < k; ++i) {
          EXPECT_GT(factor.at(i, i), 0.0f);
          for (int64_t j = 0; j < i; ++j) ASSERT_EQ(factor.at(i, j), 0.0f) << i << " " << j;
        }
        const Square a = damped(h, order, damping);
        const double condition = a.norm() * inverse(a).norm();
        // Cholesky and a triangular inverse are backward stable: K·eps of the condition number. In double precision
        // only the rounding of U to fp32 is left.
        const double allowed = (precise ? 4.0 : 2.0 * static_cast<double>(k + 1)) * kEps * condition;
        const double error = residual(factor, a);
        double& worst = worst_ratios()[precise ? "factorize, precise" : "factorize"];
        worst = std::max(worst, error / allowed);
        EXPECT_LE(error, allowed) << "K " << k << ", condition number " << condition;
        EXPECT_TRUE(backend().all_finite(u.view()));
      }
    }
  }
}

TEST_P(GptqContract, FactorizeSaysNo) {
  const int64_t k = 64;
  const Host good = random_hessian(k, 2 * k, 3);
  const std::vector<int> order = shuffled(k, 5);
  const Matrix u = put(Host(k, k));
  for (const bool precise : {false, true}) {
    Host negative = good, singular(k, k, 1.0f), zero(k, k);
    negative.at(40, 40) = -1.0f;
    singular.at(3, 3) = 0.5f;
    EXPECT_FALSE(backend().factorize(u.view(), put(negative).view(), order, 0.0f, precise));
    EXPECT_FALSE(backend().factorize(u.view(), put(singular).view(), order, 0.0f, precise));
    EXPECT_FALSE(backend().factorize(u.view(), put(zero).view(), order, 0.0f, precise));
    EXPECT_TRUE(backend().factorize(u.view(), put(zero).view(), order, 4.0f, precise));
    EXPECT_EQ(get(u).at(5, 5), 0.5f);
    for (const auto& [i, j] : {std::pair<int64_t, int64_t>{0, 0}, {63, 63}, {20, 10}, {63, 0}}) {
      for (const float bad : {NAN, INFINITY, -INFINITY}) {
        Host h = good;
        h.at(i, j) = bad;
        EXPECT_FALSE(backend().factorize(u.view(), put(h).view(), order, 0.01f, precise))
            << i << " " << j << " " << bad;
      }
    }
  }
}

TEST_P(GptqContract, PreciseFactorizesWhereSingleFails) {
  // 2×2 blocks [a b; b c] of exact fp32 values with a·c − b² barely positive: c − b²/a rounds to 0 or below in fp32.
  const int64_t k = 64;
  Host h(k, k);
  for (int64_t i = 0; i < k; i += 2) {
    const float a = static_cast<float>(1000003 + 14 * i), b = static_cast<float>(1200007 + 22 * i);
    float c = static_cast<float>(double{b} * b / a);
    while (double{a} * c <= double{b} * b) c = std::nextafter(c, INFINITY);
    h.at(i, i) = a, h.at(i + 1, i) = b, h.at(i + 1, i + 1) = c;
  }
  const std::vector<int> order = shuffled(k, 0);
  const Matrix hessian = put(h), u = put(Host(k, k));
  EXPECT_FALSE(backend().factorize(u.view(), hessian.view(), order, 0.0f, false));
  ASSERT_TRUE(backend().factorize(u.view(), hessian.view(), order, 0.0f, true));
  const Host factor = get(u);
  for (int64_t i = 0; i < k; i += 2) {  // the inverse's corner is a / (a·c − b²)
    const double a = h.at(i, i), b = h.at(i + 1, i), c = h.at(i + 1, i + 1);
    EXPECT_NEAR(std::pow(factor.at(i + 1, i + 1), 2) * c, 1.0, 1e-5);
    EXPECT_NEAR(std::pow(factor.at(i, i), 2) * (a - b * b / c), 1.0, 1e-5);
  }
}

TEST_P(GptqContract, Regress) {
  for (const int64_t k : {32, 96, 160}) {
    for (const int64_t n : {1, 64, 300}) {
      for (const float alpha : {1.0f, 0.25f}) {
        const Host h = random_hessian(k, 2 * k, 3), w = random_host(n, k, 5), cross = random_host(k, k, 6, 3.0f);
        const float damping = 0.05f * h.at(0, 0);
        const Matrix dw = put(w), dd = put(cross), dh = put(h);
        ASSERT_TRUE(backend().regress(dw.view(), dd.view(), dh.view(), damping, alpha));
        const Square a = damped(h, shuffled(k, 0), damping), a_inverse = inverse(a);
        Square solution(k);  // d·A⁻¹
        for (int64_t i = 0; i < k; ++i) {
          for (int64_t m = 0; m < k; ++m) {
            for (int64_t j = 0; j < k; ++j) solution.at(i, j) += cross.at(i, m) * a_inverse.at(m, j);
          }
        }
        Host want = w;
        for (int64_t r = 0; r < n; ++r) {
          for (int64_t j = 0; j < k; ++j) {
            double sum = w.at(r, j);
            for (int64_t i = 0; i < k; ++i) sum += alpha * double{w.at(r, i)} * solution.at(i, j);
            want.at(r, j) = static_cast<float>(sum);
          }
        }
        // A solve errs by at most K·eps·cond(A) relative to its solution; the mean over so many is far less.
        const double condition = spectral_norm(a) * spectral_norm(a_inverse);
        const double share = static_cast<double>(k + 2) * kEps * condition * alpha * spectral_norm(solution);
        expect_close("regress", get(dw).values, want.values, [&](size_t i) {
          return share * w.row_norm(static_cast<int64_t>(i) / k) + 2 * kEps * std::abs(want.values[i]);
        });
      }
    }
  }
  const Matrix w = put(random_host(32, 32, 1)), d = put(random_host(32, 32, 2)), h = put(Host(32, 32));
  EXPECT_FALSE(backend().regress(w.view(), d.view(), h.view(), 0.0f, 1.0f));
  EXPECT_EQ(get(w).values, random_host(32, 32, 1).values);
}

TEST_P(GptqContract, RegressWithANanSaysNo) {
  Host hessian = random_hessian(64, 128, 3);
  hessian.at(40, 2) = NAN;
  const Matrix w = put(random_host(32, 64, 1)), d = put(random_host(64, 64, 2)), h = put(hessian);
  EXPECT_FALSE(backend().regress(w.view(), d.view(), h.view(), 1.0f, 1.0f));
  EXPECT_TRUE(backend().all_finite(w.view()));
}

TEST_P(GptqContract, Quadratic) {
  for (const int64_t k : {32, 96, 288}) {
    for (const int64_t n : {0, 1, 64, 300}) {
      const Host h = random_hessian(k, 2 * k, 3);
      Host w = random_host(n, k, 4);
      const Placed dw(backend(), w, true);
      const Square a = damped(h, shuffled(k, 0), 0);
      std::vector<float> want, got;
      for (int64_t r = 0; r < n; ++r) {
        double sum = 0;
        for (int64_t i = 0; i < k; ++i) {
          for (int64_t j = 0; j < k; ++j) sum += double{w.at(r, i)} * a.at(i, j) * w.at(r, j);
        }
        want.push_back(static_cast<float>(sum));
      }
      for (const double value : backend().quadratic(dw.view(), put(h).view())) got.push_back(static_cast<float>(value));
      expect_close("quadratic", got, want, [&](size_t i) {
        return static_cast<double>(k + 4) * kEps * std::pow(w.row_norm(static_cast<int64_t>(i)), 2) * a.norm();
      });
    }
  }
}

GPTQ_EVERY_BACKEND(GptqContract);

}  // namespace
}  // namespace gptq
