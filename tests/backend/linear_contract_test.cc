// linear and embed on every backend against plain loops: dense and packed weights of every kind, few and many rows.
#include "backend/cpu/reference.h"
#include "tests/backend/cases.h"
#include "tests/backend/packed_cases.h"

namespace gptq::backend {
namespace {

const std::vector<int64_t> kRowCounts = {1, 2, 3, 4, 5, 7, 8, 24, 25, 33, 130};
constexpr int64_t kMaxRows = 130;

// Σ of K products in any order: |error| ≤ (K + 4)·eps·Σ|x·w| ≤ (K + 4)·eps·‖x‖·‖w‖, plus the rounding of the result.
struct LinearCheck {
  std::vector<float> dense;   // [N, K]
  std::vector<double> norms;  // [N]  of the largest products that may be summed for one weight
  std::vector<float> bias;    // [N] or empty
};

LinearCheck dense_check(const std::vector<float>& dense, int64_t n, std::vector<float> bias) {
  LinearCheck check{dense, {}, std::move(bias)};
  const int64_t k = static_cast<int64_t>(dense.size()) / n;
  for (int64_t i = 0; i < n; ++i) {
    double sum = 0;
    for (int64_t j = 0; j < k; ++j) sum += std::pow(double{dense[static_cast<size_t>(i * k + j)]}, 2);
    check.norms.push_back(std::sqrt(sum));
  }
  return check;
}

// Codes and zeros may meet x separately: Σ scale·(code·x) − scale·zero·Σx.
LinearCheck packed_check(const PackedWeight& w) {
  LinearCheck check{reference::dequantize(w), {}, {}};
  const auto qweight = w.qweight.values<int32_t>(), qzeros = w.qzeros.values<int32_t>();
  for (int64_t n = 0; n < w.out_features; ++n) {
    double sum = 0;
    for (int64_t k = 0; k < w.in_features; ++k) {
      const int64_t g = w.g_idx.values<int32_t>()[static_cast<size_t>(k)];
      const double code = unpack_field(qweight.data() + n, k, w.bits, w.out_features);
      const double zero = unpack_field(qzeros.data() + g * w.out_features * w.bits / 32, n, w.bits);
      sum +=
          std::pow((code + zero) * to_float(w.scales.values<Half>()[static_cast<size_t>(g * w.out_features + n)]), 2);
    }
    check.norms.push_back(std::sqrt(sum));
  }
  if (!w.bias.empty()) check.bias.assign(w.bias.values<float>().begin(), w.bias.values<float>().end());
  return check;
}

class LinearContract : public ContractTest {
 protected:
  // 16-bit backends may round a weight to their type once.
  double weight_eps() const { return backend().activation_dtype() == DType::kF32 ? 0.0 : activation_eps(); }

  // Runs the weights side by side for every number of rows.
  void check(const std::string& what, const std::vector<const Weight*>& weights, const std::vector<LinearCheck>& checks,
             int64_t k, const std::vector<int64_t>& row_counts) {
    Host x = random_host(kMaxRows, k, 11);
    x.values = backend().download(Placed(backend(), x, false).view());
    int64_t n_sum = 0;
    for (const LinearCheck& c : checks) n_sum += static_cast<int64_t>(c.norms.size());
    Host want(kMaxRows, n_sum);
    std::vector<double> norms;
    for (const LinearCheck& c : checks) {
      const int64_t n = static_cast<int64_t>(c.norms.size());
      reference::linear(want.view().column_range(static_cast<int64_t>(norms.size()), n), x.view(), c.dense, c.bias);
      norms.insert(norms.end(), c.norms.begin(), c.norms.end());
    }
    for (const int64_t m : row_counts) {
      Host part(m, k);
      std::copy_n(x.values.begin(), m * k, part.values.begin());
      const bool strided = m % 2 == 1;
      const Placed in(backend(), part, strided), out(backend(), m, n_sum, strided);
      backend().linear(out.view(), in.view(), weights);
      SCOPED_TRACE(std::to_string(m) + " rows");
      expect_close(what, out.host().values, {want.values.begin(), want.values.begin() + m * n_sum}, [&](size_t i) {
        const int64_t row = static_cast<int64_t>(i) / n_sum;
        return (static_cast<double>(k + 4) * kEps + weight_eps()) * part.row_norm(row) * norms[i % norms.size()] +
               2 * activation_eps() * std::abs(want.values[i]) + 2 * kEps;  // the bias is at most 1
      });
      if (HasFatalFailure()) return;
    }
  }
};

Tensor dense_tensor(DType dtype, const Host& host) {
  Tensor tensor(dtype, {host.rows, host.cols});
  for (size_t i = 0; i < host.values.size(); ++i) {
    switch (dtype) {
      case DType::kF32: tensor.values<float>()[i] = host.values[i]; break;
      case DType::kF16: tensor.values<Half>()[i] = to_half(host.values[i]); break;
      default: tensor.values<BFloat16>()[i] = to_bfloat16(host.values[i]); break;
    }
  }
  return tensor;
}

std::vector<float> floats(const Tensor& tensor) {
  const Tensor wide = to_float32(tensor.view(), "a test");
  return {wide.values<float>().begin(), wide.values<float>().end()};
}

TEST_P(LinearContract, DenseWeightsOfEveryType) {
  uint32_t seed = 1;
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const auto& [k, n] :
         {std::pair<int64_t, int64_t>{32, 32}, {64, 96}, {96, 64}, {160, 320}, {288, 64}, {33, 31}, {7, 5}}) {
      for (const bool with_bias : {false, true}) {
        SCOPED_TRACE(std::string(name_of(dtype)) + " K " + std::to_string(k) + " N " + std::to_string(n));
        const Tensor weight = dense_tensor(dtype, random_host(n, k, ++seed, 0.1f));
        const Host bias_values = random_host(n, 1, ++seed, 0.2f);
        const Tensor bias = dense_tensor(dtype, bias_values);
        TensorView bias_view = bias.view();
        bias_view.shape = {n};
        const auto prepared = backend().load_weight(weight.view(), with_bias ? &bias_view : nullptr);
        EXPECT_EQ(prepared->in_features(), k);
        EXPECT_EQ(prepared->out_features(), n);
        EXPECT_GT(prepared->bytes(), 0);
        check("linear, dense " + std::string(name_of(dtype)), {prepared.get()},
              {dense_check(floats(weight), n, with_bias ? floats(bias) : std::vector<float>())}, k, kRowCounts);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST_P(LinearContract, PackedWeightsOfEveryKind) {
  uint32_t seed = 1;
  for (const int bits : {2, 3, 4, 8}) {
    for (const int64_t group_size : {16, 32, 64, 96, 128, -1}) {
      for (const bool sym : {true, false}) {
        for (const Grouping grouping : {Grouping::kNatural, Grouping::kScattered, Grouping::kUnequal}) {
          for (const auto& [k, n] : {std::pair<int64_t, int64_t>{32, 96}, {64, 32}, {96, 64}, {160, 320}, {288, 32}}) {
            const PackedCase c{bits, group_size < 0 ? k : group_size, k, n, sym, grouping, k == 96};
            SCOPED_TRACE(c.name());
            const PackedWeight weight = random_packed(c, ++seed);
            const auto prepared = backend().load_weight(weight);
            EXPECT_EQ(prepared->in_features(), k);
            EXPECT_EQ(prepared->out_features(), n);
            // All numbers of rows in turn, so that every kind of weight meets the few and the many.
            const size_t turn = seed % 4;
            std::vector<int64_t> rows;
            for (size_t i = 0; i < kRowCounts.size(); ++i) {
              if (k <= 64 || i % 4 == turn || kRowCounts[i] == 1 || kRowCounts[i] == 33) rows.push_back(kRowCounts[i]);
            }
            check("linear, packed " + std::to_string(bits) + " bits", {prepared.get()}, {packed_check(weight)}, k,
                  rows);
            if (HasFatalFailure()) return;
          }
        }
      }
    }
  }
}

// Long enough that a GPU's blocks of threads share the positions of an output, and end in the middle of them.
TEST_P(LinearContract, ManyPositions) {
  uint32_t seed = 100;
  for (const int bits : {2, 3, 4, 8}) {
    for (const bool sym : {true, false}) {
      const int64_t group_size = sym ? 64 : 32;
      const PackedCase c{bits, group_size, 1728, 672, sym, sym ? Grouping::kNatural : Grouping::kScattered, sym};
      SCOPED_TRACE(c.name());
      const PackedWeight weight = random_packed(c, ++seed);
      const auto prepared = backend().load_weight(weight);
      check("linear, packed " + std::to_string(bits) + " bits", {prepared.get()}, {packed_check(weight)}, 1728,
            {1, 8, 9, 32, 57, 64, 65, 130});
    }
  }
}

TEST_P(LinearContract, WeightsSideBySide) {
  const PackedWeight a = random_packed({4, 32, 96, 64, false, Grouping::kScattered, true}, 1);
  const PackedWeight b = random_packed({3, 96, 96, 32, true, Grouping::kNatural, false}, 2);
  const PackedWeight c = random_packed({8, 16, 96, 320, false, Grouping::kNatural, true}, 3);
  const Host d = random_host(96, 96, 4, 0.1f);
  const Tensor dense = dense_tensor(DType::kBF16, d);
  const auto wa = backend().load_weight(a), wb = backend().load_weight(b), wc = backend().load_weight(c);
  const auto wd = backend().load_weight(dense.view(), nullptr);
  check("linear, side by side", {wa.get(), wb.get(), wd.get(), wc.get()},
        {packed_check(a), packed_check(b), dense_check(floats(dense), 96, {}), packed_check(c)}, 96, kRowCounts);
}

TEST_P(LinearContract, MoreRowsThanOneTask) {
  const PackedWeight weight = random_packed({4, 32, 64, 64, false, Grouping::kNatural, true}, 1);
  const auto prepared = backend().load_weight(weight);
  const LinearCheck c = packed_check(weight);
  Host x = random_host(1100, 64, 5);
  const Placed in(backend(), x, true), out(backend(), 1100, 64, true);
  const Weight* const weights[] = {prepared.get()};
  backend().linear(out.view(), in.view(), weights);
  Host want(1100, 64);
  reference::linear(want.view(), x.view(), c.dense, c.bias);
  expect_close("linear, packed 4 bits", out.host().values, want.values, [&](size_t i) {
    return (68 * kEps + weight_eps()) * x.row_norm(static_cast<int64_t>(i) / 64) * c.norms[i % 64] +
           2 * activation_eps() * std::abs(want.values[i]) + 2 * kEps;
  });
}

TEST_P(LinearContract, NoRows) {
  const auto prepared = backend().load_weight(random_packed({4, 32, 64, 64, true, Grouping::kScattered, true}, 1));
  const Weight* const weights[] = {prepared.get()};
  const Placed in(backend(), 0, 64, false), out(backend(), 0, 64, false);
  backend().linear(out.view(), in.view(), weights);
}

TEST_P(LinearContract, RowsThatAreNotFiniteStayAlone) {
  const PackedWeight packed = random_packed({4, 16, 96, 64, false, Grouping::kScattered, false}, 1);
  const Tensor dense = dense_tensor(DType::kF16, random_host(64, 96, 2, 0.1f));
  const auto wp = backend().load_weight(packed), wd = backend().load_weight(dense.view(), nullptr);
  const Weight* const weights[] = {wp.get(), wd.get()};
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    for (const int64_t m : {5, 8, 40}) {
      Host x = random_host(m, 96, 3);
      x.at(2, 17) = bad;
      const Placed in(backend(), x, true), out(backend(), m, 128, true);
      backend().linear(out.view(), in.view(), weights);
      const Host y = out.host();
      for (int64_t row = 0; row < m; ++row) {
        for (int64_t n = 0; n < 128; ++n) {
          // A packed weight of exactly zero may hide an infinity or not; dense random weights have none.
          if (row == 2 && n < 64) continue;
          ASSERT_EQ(std::isfinite(y.at(row, n)), row != 2) << row << " " << n;
        }
      }
    }
  }
}

TEST_P(LinearContract, EmbedCopiesRows) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const int64_t width : {32, 96, 288, 17}) {
      Host values = random_host(50, width, 3);
      values.at(49, 0) = 0x1p-24f;  // the smallest fp16
      values.at(49, 1) = -0x1.8p-16f;
      values.at(49, 2) = 65504.0f;
      const Tensor table = dense_tensor(dtype, values);
      const auto weight = backend().load_weight(table.view(), nullptr);
      const std::vector<int> ids = {49, 0, 7, 7, 31, 49, 1};
      const Placed out(backend(), DType::kF32, static_cast<int64_t>(ids.size()), width, true);
      backend().embed(out.view(), ids, *weight);
      std::vector<float> want;
      const std::vector<float> wide = floats(table);
      for (const int id : ids) want.insert(want.end(), wide.begin() + id * width, wide.begin() + (id + 1) * width);
      const bool exact = backend().activation_dtype() == DType::kF32;
      expect_close("embed", out.host().values, want,
                   [&](size_t i) { return exact ? 0.0 : activation_eps() * std::abs(want[i]) + 0x1p-25; });
    }
  }
}

GPTQ_EVERY_BACKEND(LinearContract);

}  // namespace
}  // namespace gptq::backend
