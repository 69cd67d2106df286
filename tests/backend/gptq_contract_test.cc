// The GPTQ operations on every backend against plain loops in double precision, straight from the paper.
#include <cstring>
#include <numeric>

#include "backend/cpu/reference_gptq.h"
#include "tests/backend/plain_matrix.h"

namespace gptq::backend {
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
      Host want(k, k, 0.5f);
      reference::accumulate_cross(want.view(), target.view(), x.view());
      reference::accumulate_cross(want.view(), target.view(), x.view());
      std::vector<double> allowed;
      for (int64_t i = 0; i < k; ++i) {
        for (int64_t j = 0; j < k; ++j) {
          double size = 0;
          for (int64_t row = 0; row < t; ++row) {
            size += std::abs((double{target.at(row, i)} - x.at(row, i)) * x.at(row, j));
          }
          // A backend may round the differences to its activation type; their signs make the mean far smaller.
          allowed.push_back(static_cast<double>(t + 4) * kEps * (2 * size + 1) + activation_eps() * 2 * size);
        }
      }
      expect_close("accumulate_cross", get(d).values, want.values, [&](size_t i) { return allowed[i]; });
    }
  }
}

TEST_P(GptqContract, AccumulateCrossOfRows) {
  if (!backend().capabilities().cross_of_rows) GTEST_SKIP() << "not implemented by this backend";
  for (const auto& [n, k] : {std::pair<int64_t, int64_t>{1, 32}, {96, 160}, {544, 1120}}) {
    for (const int64_t t : {0, 1, 77}) {
      Host target = random_host(t, k, 1), x = random_host(t, k, 2), w = random_host(n, k, 3);
      const Placed a(backend(), target, true), b(backend(), x, true), dw(backend(), DType::kF32, w, true);
      const Matrix p = put(Host(n, k, 0.5f));
      for (int i = 0; i < 2; ++i) backend().accumulate_cross_of_rows(p.view(), dw.view(), a.view(), b.view());
      Host want(n, k, 0.5f);
      for (int i = 0; i < 2; ++i) {
        reference::accumulate_cross_of_rows(want.view(), w.view(), target.view(), x.view());
      }
      double difference = 0;  // norm of target − x
      for (size_t i = 0; i < x.values.size(); ++i) difference += std::pow(double{target.values[i]} - x.values[i], 2);
      std::vector<double> columns;
      for (int64_t j = 0; j < k; ++j) columns.push_back(column_norm(x, j));
      expect_close("accumulate_cross_of_rows", get(p).values, want.values, [&](size_t i) {
        const int64_t row = static_cast<int64_t>(i) / k, column = static_cast<int64_t>(i) % k;
        const double size = w.row_norm(row) * std::sqrt(difference) * columns[static_cast<size_t>(column)];
        return static_cast<double>(k + t + 4) * kEps * (2 * size + 1);
      });
    }
  }
}

// Sizes at which a backend may divide its work in another way.
TEST_P(GptqContract, AccumulateWithManyColumns) {
  for (const int64_t k : {1568, 4128}) {
    Host x = random_host(3, k, 1), target = random_host(3, k, 2);
    const Placed dx(backend(), x, true), dt(backend(), target, true);
    const Matrix h = put(Host(k, k)), d = put(Host(k, k));
    backend().accumulate_hessian(h.view(), dx.view());
    backend().accumulate_cross(d.view(), dt.view(), dx.view());
    const Host hessian = get(h), cross = get(d);
    for (int64_t i = 0; i < k; ++i) {
      for (int64_t j = 0; j < k; ++j) {
        double square = 0, product = 0, size = 1;
        for (int64_t t = 0; t < 3; ++t) {
          square += double{x.at(t, i)} * x.at(t, j);
          product += (double{target.at(t, i)} - x.at(t, i)) * x.at(t, j);
          size += (std::abs(double{target.at(t, i)}) + 2 * std::abs(double{x.at(t, i)})) * std::abs(double{x.at(t, j)});
        }
        const double allowed = 7 * kEps * size;
        if (j <= i) {
          ASSERT_NEAR(hessian.at(i, j), square, allowed) << i << " " << j;
        }
        ASSERT_NEAR(cross.at(i, j), product, allowed + activation_eps() * 2 * size) << i << " " << j;
      }
    }
  }
}

// ‖SᵀS − A‖ for A = H + damping·I in the given order.
double residual(const Host& s, const Square& a) {
  Square difference(a);
  for (int64_t m = 0; m < a.n; ++m) {
    for (int64_t i = 0; i <= m; ++i) {
      for (int64_t j = 0; j <= m; ++j) difference.at(i, j) -= double{s.at(m, i)} * s.at(m, j);
    }
  }
  return difference.norm();
}

TEST_P(GptqContract, FactorizeInAnyOrder) {
  for (const int64_t k : {1, 32, 96, 160, 288, 800}) {
    for (const bool precise : {false, true}) {
      for (const uint32_t seed : {0u, 7u}) {
        const Host h = random_hessian(k, 2 * k, 3);
        const float damping = 0.02f * h.at(0, 0);
        const std::vector<int> order = shuffled(k, seed);
        const Matrix hessian = put(h), s = put(Host(k, k, 9.0f));
        ASSERT_TRUE(backend().factorize(s.view(), hessian.view(), order, damping, precise));
        const Host factor = get(s);
        for (int64_t i = 0; i < k; ++i) {
          EXPECT_GT(factor.at(i, i), 0.0f);
          for (int64_t j = i + 1; j < k; ++j) ASSERT_EQ(factor.at(i, j), 0.0f) << i << " " << j;
        }
        // Cholesky is backward stable: (K+1)·eps·|Sᵀ|·|S| for each element, whose norm is at most the trace of A. In
        // double precision only the rounding of S to fp32 is left, one eps in each of its factors.
        const Square a = damped(h, order, damping);
        double trace = 0;
        for (int64_t i = 0; i < k; ++i) trace += a.at(i, i);
        const double allowed = (precise ? 2.0 : static_cast<double>(k + 1)) * kEps * trace;
        const double error = residual(factor, a);
        double& worst = worst_ratios()[precise ? "factorize, precise" : "factorize"];
        worst = std::max(worst, error / allowed);
        EXPECT_LE(error, allowed) << "K " << k;
        EXPECT_TRUE(all_finite(backend(), s.view()));
      }
    }
  }
}

TEST_P(GptqContract, FactorizeSaysNo) {
  const int64_t k = 64;
  const Host good = random_hessian(k, 2 * k, 3);
  const std::vector<int> order = shuffled(k, 5);
  const Matrix s = put(Host(k, k));
  for (const bool precise : {false, true}) {
    Host negative = good, singular(k, k, 1.0f), zero(k, k);
    negative.at(40, 40) = -1.0f;
    singular.at(3, 3) = 0.5f;
    EXPECT_FALSE(backend().factorize(s.view(), put(negative).view(), order, 0.0f, precise));
    EXPECT_FALSE(backend().factorize(s.view(), put(singular).view(), order, 0.0f, precise));
    EXPECT_FALSE(backend().factorize(s.view(), put(zero).view(), order, 0.0f, precise));
    EXPECT_TRUE(backend().factorize(s.view(), put(zero).view(), order, 4.0f, precise));
    EXPECT_EQ(get(s).at(5, 5), 2.0f);
    for (const auto& [i, j] : {std::pair<int64_t, int64_t>{0, 0}, {63, 63}, {20, 10}, {63, 0}}) {
      for (const float bad : {NAN, INFINITY, -INFINITY}) {
        Host h = good;
        h.at(i, j) = bad;
        EXPECT_FALSE(backend().factorize(s.view(), put(h).view(), order, 0.01f, precise))
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
  const Matrix hessian = put(h), s = put(Host(k, k));
  EXPECT_FALSE(backend().factorize(s.view(), hessian.view(), order, 0.0f, false));
  ASSERT_TRUE(backend().factorize(s.view(), hessian.view(), order, 0.0f, true));
  const Host factor = get(s);
  for (int64_t i = 0; i < k; i += 2) {
    const double a = h.at(i, i), b = h.at(i + 1, i), c = h.at(i + 1, i + 1);
    EXPECT_NEAR(std::pow(factor.at(i + 1, i + 1), 2) / c, 1.0, 1e-6);
    EXPECT_NEAR(double{factor.at(i + 1, i)} * factor.at(i + 1, i + 1) / b, 1.0, 1e-6);
    EXPECT_NEAR(std::pow(factor.at(i, i), 2) / (a - b * b / c), 1.0, 1e-5);
  }
}

TEST_P(GptqContract, Regress) {
  for (const int64_t k : {32, 96, 160, 544}) {
    for (const int64_t n : {1, 64, 300}) {
      for (const float alpha : {1.0f, 0.25f}) {
        if (k > 500 && alpha != 1.0f) continue;
        const Host h = random_hessian(k, 2 * k, 3), w = random_host(n, k, 5), cross = random_host(k, k, 6, 3.0f);
        const float damping = 0.05f * h.at(0, 0);
        const Matrix dw = put(w), dd = put(cross), dh = put(h);
        ASSERT_TRUE(backend().solve_gptaq_target(dw.view(), dd.view(), dh.view(), damping, alpha));
        const Square a = damped(h, shuffled(k, 0), damping), a_inverse = inverse(a);
        Square solution(k);  // d·A⁻¹
        for (int64_t i = 0; i < k; ++i) {
          for (int64_t m = 0; m < k; ++m) {
            for (int64_t j = 0; j < k; ++j) solution.at(i, j) += cross.at(i, m) * a_inverse.at(m, j);
          }
        }
        Host want = w, d = cross, hessian = h;
        ASSERT_TRUE(reference::solve_gptaq_target(want.view(), d.view(), hessian.view(), damping, alpha));
        // A solve errs by at most K·eps·cond(A) relative to its solution; the mean over so many is far less.
        const double condition = spectral_norm(a) * spectral_norm(a_inverse);
        const double share = static_cast<double>(k + 2) * kEps * condition * alpha * spectral_norm(solution);
        const auto allowed = [&](size_t i) {
          return share * w.row_norm(static_cast<int64_t>(i) / k) + 2 * kEps * std::abs(want.values[i]);
        };
        expect_close("regress", get(dw).values, want.values, allowed);
        if (!backend().capabilities().cross_of_rows || n >= k) continue;
        Host product(n, k);
        for (int64_t row = 0; row < n; ++row) {
          for (int64_t j = 0; j < k; ++j) {
            double sum = 0;
            for (int64_t i = 0; i < k; ++i) sum += double{w.at(row, i)} * cross.at(i, j);
            product.at(row, j) = static_cast<float>(sum);
          }
        }
        const Matrix rows = put(w), dp = put(product);
        ASSERT_TRUE(backend().solve_gptaq_target(rows.view(), dp.view(), dh.view(), damping, alpha));
        expect_close("regress, of rows", get(rows).values, want.values, allowed);
      }
    }
  }
  const Matrix w = put(random_host(32, 32, 1)), d = put(random_host(32, 32, 2)), h = put(Host(32, 32));
  EXPECT_FALSE(backend().solve_gptaq_target(w.view(), d.view(), h.view(), 0.0f, 1.0f));
  EXPECT_EQ(get(w).values, random_host(32, 32, 1).values);
}

TEST_P(GptqContract, RegressWithANanSaysNo) {
  Host hessian = random_hessian(64, 128, 3);
  hessian.at(40, 2) = NAN;
  const Matrix w = put(random_host(32, 64, 1)), d = put(random_host(64, 64, 2)), h = put(hessian);
  EXPECT_FALSE(backend().solve_gptaq_target(w.view(), d.view(), h.view(), 1.0f, 1.0f));
  EXPECT_TRUE(all_finite(backend(), w.view()));
}

TEST_P(GptqContract, Quadratic) {
  for (const int64_t k : {32, 96, 288, 800}) {
    const Host h = random_hessian(k, 2 * k, 3);
    const Square a = damped(h, shuffled(k, 0), 0);
    for (const int64_t n : {0, 1, 64, 300, 544}) {
      Host w = random_host(n, k, 4);
      const Placed dw(backend(), DType::kF32, w, true);
      std::vector<float> want, got;
      Host hessian = h;
      for (const double value : reference::row_quadratic_forms(w.view(), hessian.view())) {
        want.push_back(static_cast<float>(value));
      }
      for (const double value : backend().row_quadratic_forms(dw.view(), put(h).view()))
        got.push_back(static_cast<float>(value));
      expect_close("quadratic", got, want, [&](size_t i) {
        return static_cast<double>(k + 4) * kEps * std::pow(w.row_norm(static_cast<int64_t>(i)), 2) * a.norm();
      });
    }
  }
}

// Every bit pattern of a 16-bit type that is a number; both zeros and the subnormals are among them.
template <typename T>
Tensor every_number(DType dtype) {
  Tensor tensor(dtype, {64, 1024});
  for (size_t i = 0; i < 65536; ++i) {
    const T value{static_cast<uint16_t>(i)};
    tensor.values<T>()[i] = std::isfinite(to_float(value)) ? value : T{0};
  }
  return tensor;
}

TEST_P(GptqContract, LoadConvertsExactly) {
  std::vector<Tensor> tensors;
  tensors.push_back(every_number<Half>(DType::kF16));
  tensors.push_back(every_number<BFloat16>(DType::kBF16));
  for (const DType dtype : {DType::kF32, DType::kF64}) {
    Tensor& tensor = tensors.emplace_back(dtype, Shape{96, 33});
    const Host values = random_host(96, 33, 1);
    for (size_t i = 0; i < values.values.size(); ++i) {
      if (dtype == DType::kF32) tensor.values<float>()[i] = values.values[i];
      if (dtype == DType::kF64) tensor.values<double>()[i] = double{values.values[i]} * (1 + 0x1p-26);
    }
  }
  for (const Tensor& tensor : tensors) {
    // Files promise no alignment: the same values one byte further.
    std::vector<std::byte> bytes(tensor.bytes() + 1);
    std::copy_n(tensor.data(), tensor.bytes(), bytes.begin() + 1);
    const Tensor want = to_float32(tensor.view(), "numbers");
    const Placed to(backend(), DType::kF32, tensor.shape()[0], tensor.shape()[1], true);
    backend().load(to.view(), {tensor.dtype(), tensor.shape(), bytes.data() + 1});
    const Host got = to.host();
    for (size_t i = 0; i < got.values.size(); ++i) ASSERT_EQ(got.values[i], want.values<float>()[i]) << i;
  }
}

TEST_P(GptqContract, GatherAndSubtractColumns) {
  for (const int64_t k : {1, 96, 300}) {
    for (const int64_t n : {0, 1, 96, 260}) {
      Host from = random_host(n, k, 1), to = random_host(n, k, 2);
      const std::vector<int> order = shuffled(k, 5);
      const Placed a(backend(), DType::kF32, from, true), b(backend(), DType::kF32, to, true);
      backend().gather_columns(b.view(), a.view(), order);
      const Host gathered = b.host();
      const Placed c(backend(), DType::kF32, to, true);
      backend().subtract_columns(c.view(), a.view(), order);
      const Host difference = c.host();
      EXPECT_EQ(a.host().values, from.values);
      Host want_gathered(n, k), want_difference = to;
      reference::gather_columns(want_gathered.view(), from.view(), order);
      reference::subtract_columns(want_difference.view(), from.view(), order);
      ASSERT_EQ(gathered.values, want_gathered.values);
      ASSERT_EQ(difference.values, want_difference.values);
    }
  }
}

TEST_P(GptqContract, PackCodes) {
  for (const int bits : {2, 3, 4, 8}) {
    for (const int64_t k : {32, 160}) {
      const int64_t n = 160;
      Host codes(k, n);
      std::mt19937 random(1);
      for (float& code : codes.values) code = static_cast<float>(random() & ((1u << bits) - 1));
      const Placed dcodes(backend(), DType::kU8, codes, true);
      const std::vector<int> order = shuffled(k, 5);
      for (const auto& [first, count] : {std::pair<int64_t, int64_t>{0, 160}, {0, 32}, {32, 96}, {128, 32}}) {
        const Tensor words = backend().pack_codes(dcodes.view(), order, bits, first, count);
        ASSERT_EQ(words.dtype(), DType::kI32);
        ASSERT_EQ(words.shape(), (Shape{k * bits / 32, count}));
        for (int64_t j = 0; j < k; ++j) {
          for (int64_t i = 0; i < count; ++i) {
            const uint32_t code =
                unpack_field(words.values<int32_t>().data() + i, order[static_cast<size_t>(j)], bits, count);
            ASSERT_EQ(static_cast<float>(code), codes.at(j, first + i)) << bits << " bits, row " << j;
          }
        }
        std::vector<uint8_t> bytes(codes.values.begin(), codes.values.end());
        const MatrixView view{DType::kU8, reinterpret_cast<std::byte*>(bytes.data()), k, n, n};
        const Tensor want = reference::pack_codes(view, order, bits, first, count);
        ASSERT_EQ(std::memcmp(words.data(), want.data(), want.bytes()), 0);
      }
    }
  }
}

// Decisions near a tie, and all that follow from them, may differ; solve_contract_test.cc looks at each decision.
TEST_P(GptqContract, SolveColumnsNearlyAsTheReference) {
  const int64_t n = 64, k = 96, groups = 3;
  for (const int bits : {2, 3, 4, 8}) {
    for (const bool sym : {true, false}) {
      for (const bool given : {true, false}) {
        Host w = random_host(n, k, 1, 0.05f), h = random_hessian(k, 2 * k, 2), factor(k, k), scales(groups, n), zeros(groups, n);
        ASSERT_TRUE(reference::factorize(factor.view(), h.view(), shuffled(k, 5), 0.02 * h.at(0, 0)));
        for (float& scale : scales.values) scale = given ? to_float(to_half(0.3f / static_cast<float>(1 << bits))) : 0;
        for (float& zero : zeros.values) zero = given ? static_cast<float>(1 << (bits - 1)) : 0;
        std::vector<int32_t> group;
        for (int64_t j = 0; j < k; ++j) group.push_back(static_cast<int32_t>(j / 32));
        const Placed dw(backend(), DType::kF32, w, true), ds(backend(), DType::kF32, factor, true),
            dscales(backend(), DType::kF32, scales, false), dzeros(backend(), DType::kF32, zeros, false),
            dcodes(backend(), DType::kU8, k, n, true);
        SolveArgs args{dw.view(), ds.view(), group, {bits, sym, Clip::kNone, 0}, given, dscales.view(), dzeros.view(), dcodes.view()};
        backend().solve_columns(args);
        std::vector<uint8_t> codes(static_cast<size_t>(k * n));
        args.weights = w.view();
        args.factor = factor.view();
        args.scales = scales.view();
        args.zeros = zeros.view();
        args.codes = {DType::kU8, reinterpret_cast<std::byte*>(codes.data()), k, n, n};
        reference::solve_columns(args);
        const std::vector<float> got = dcodes.host().values;
        size_t same = 0;
        for (size_t i = 0; i < codes.size(); ++i) same += got[i] == static_cast<float>(codes[i]);
        EXPECT_GE(static_cast<double>(same), 0.98 * static_cast<double>(codes.size())) << bits << " bits, sym " << sym << ", given " << given;
      }
    }
  }
}

TEST_P(GptqContract, UploadAndDownloadThroughViews) {
  for (const DType dtype : {DType::kF32, DType::kU8}) {
    Host values(33, 65);
    for (size_t i = 0; i < values.values.size(); ++i) values.values[i] = static_cast<float>(i % 251);
    const Placed placed(backend(), dtype, values, true);
    const std::vector<float> diagonal = backend().download(placed.view().diagonal());
    ASSERT_EQ(diagonal.size(), 33u);
    for (int64_t i = 0; i < 33; ++i) EXPECT_EQ(diagonal[static_cast<size_t>(i)], values.at(i, i));
    backend().upload(placed.view().diagonal(), std::vector<float>(33, 99.0f));
    const Host got = placed.host();
    for (int64_t i = 0; i < 33; ++i) {
      for (int64_t j = 0; j < 65; ++j) EXPECT_EQ(got.at(i, j), i == j ? 99.0f : static_cast<float>((i * 65 + j) % 251));
    }
  }
}

GPTQ_EVERY_BACKEND(GptqContract);

}  // namespace
}  // namespace gptq::backend
