// solve_columns on every backend: each decision of the column loop is checked by a plain loop in double precision.
//
// The plain loop is the paper's algorithm 1 without blocks. It follows the codes that the backend chose and asks of
// each one whether it was the nearest to the weight as double precision sees it, so that ties need no exception.
#include <numeric>

#include "tests/backend/plain_matrix.h"

namespace gptq::backend {
namespace {

struct SolveCase {
  int64_t n = 32, k = 96, group_size = 32;
  GridSpec grid;
  bool given_scales = false;
  bool scattered = false;  // with given scales: groups of any columns
  bool reversed = false;   // groups in reverse order, as group-aware ordering has them
};

// The loss of a group of one row under a grid, errors fed back inside the group for Clip::kHessian.
double trial_loss(std::vector<double> w, const Square& u, const GridSpec& spec, double scale, double zero) {
  const double top = (1 << spec.bits) - 1;
  double loss = 0;
  for (size_t j = 0; j < w.size(); ++j) {
    const int64_t row = static_cast<int64_t>(j);
    const double code = std::clamp(std::nearbyint(w[j] / scale) + zero, 0.0, top);
    const bool hessian = spec.clip == Clip::kHessian;
    const double error = (w[j] - scale * (code - zero)) / (hessian ? u.at(row, row) : 1.0);
    loss += error * error;
    for (size_t c = j + 1; hessian && w.size() <= 256 && c < w.size(); ++c)
      w[c] -= error * u.at(row, static_cast<int64_t>(c));
  }
  return loss;
}

class SolveContract : public ContractTest {
 protected:
  void check(const SolveCase& c) {
    const int64_t k = c.k, n = c.n, groups = (k + c.group_size - 1) / c.group_size;
    Host w = random_host(n, k, 1, 0.05f);
    Host h = random_hessian(k, std::min<int64_t>(2 * k, 300), 2);
    std::vector<int> order(static_cast<size_t>(k));
    std::iota(order.begin(), order.end(), 0);
    const Placed hessian(backend(), DType::kF32, h, false), ds(backend(), DType::kF32, k, k, true);
    ASSERT_TRUE(backend().factorize(ds.view(), hessian.view(), order, 0.02f * h.at(0, 0), false));
    const Square u = inverse_transpose(ds.host());

    std::vector<int32_t> group(static_cast<size_t>(k));
    for (int64_t j = 0; j < k; ++j) {
      const int64_t g = j / c.group_size;
      group[static_cast<size_t>(j)] = static_cast<int32_t>(c.reversed ? groups - 1 - g : g);
    }
    std::mt19937 random(3);
    if (c.scattered) std::shuffle(group.begin(), group.end(), random);
    const float top = static_cast<float>((1 << c.grid.bits) - 1);
    Host scales(groups, n), zeros(groups, n);
    if (c.given_scales) {
      for (float& value : scales.values)
        value = to_float(to_half(std::uniform_real_distribution<float>(0.1f, 0.3f)(random) / top));
      for (float& value : zeros.values) value = static_cast<float>(random() % (1u << c.grid.bits));
    }
    const Placed weights(backend(), DType::kF32, w, true), dscales(backend(), DType::kF32, scales, false),
        dzeros(backend(), DType::kF32, zeros, false), dcodes(backend(), DType::kU8, k, n, true);
    backend().solve_columns(
        {weights.view(), ds.view(), group, c.grid, c.given_scales, dscales.view(), dzeros.view(), dcodes.view()});
    const Host result = weights.host(), s = dscales.host(), z = dzeros.host(), codes = dcodes.host();
    if (c.given_scales) {
      EXPECT_EQ(s.values, scales.values);
      EXPECT_EQ(z.values, zeros.values);
    }
    found_loss_ = plain_loss_ = 0;
    for (int64_t row = 0; row < n && !HasFatalFailure(); ++row) check_row(c, w, u, group, result, s, z, codes, row);
    double& worst = worst_ratios()["solve_columns: loss of the searched grids beside that of the whole range"];
    if (plain_loss_ > 0) worst = std::max(worst, found_loss_ / plain_loss_);
    ASSERT_LE(found_loss_, plain_loss_ * (1 + 1e-3)) << "the search made it worse";
  }

 private:
  double found_loss_ = 0, plain_loss_ = 0;  // of all groups that were searched in a case

  void check_row(const SolveCase& c, const Host& weights, const Square& u, const std::vector<int32_t>& group,
                 const Host& result, const Host& s, const Host& z, const Host& codes, int64_t row) {
    const int64_t k = c.k;
    const double top = (1 << c.grid.bits) - 1;
    std::vector<double> w(static_cast<size_t>(k));
    for (int64_t j = 0; j < k; ++j) w[static_cast<size_t>(j)] = weights.at(row, j);
    for (int64_t j = 0; j < k; ++j) {
      const size_t at = static_cast<size_t>(j);
      const int32_t g = group[at];
      if (!c.given_scales && (j == 0 || group[at - 1] != g)) {
        int64_t end = j;
        while (end < k && group[static_cast<size_t>(end)] == g) ++end;
        ASSERT_NO_FATAL_FAILURE(check_grid(c, {w.begin() + j, w.begin() + end}, u, j, s.at(g, row), z.at(g, row)));
      }
      const double scale = s.at(g, row), zero = z.at(g, row);
      const double code = codes.at(j, row);
      ASSERT_LE(code, top);
      ASSERT_EQ(result.at(row, j), s.at(g, row) * static_cast<float>(code - zero)) << "row " << row << ", column " << j;
      // fp32 errors of w: K terms of the size of a step, and of the factor behind them.
      const double ideal = std::clamp(w[at] / scale + zero, 0.0, top);
      const double distance = std::abs(code - ideal) - 0.5, allowed = 2e-5 * (1 + top / 16);
      double& worst = worst_ratios()["solve_columns: beyond half a step"];
      worst = std::max(worst, distance / allowed);
      ASSERT_LE(distance, allowed) << "row " << row << ", column " << j;
      const double error = (w[at] - scale * (code - zero)) / u.at(j, j);
      for (int64_t i = j; i < k; ++i) w[static_cast<size_t>(i)] -= error * u.at(j, i);
    }
  }

  void check_grid(const SolveCase& c, const std::vector<double>& w, const Square& factor, int64_t begin, float scale,
                  float zero) {
    const double top = (1 << c.grid.bits) - 1;
    const double low = std::min(0.0, *std::min_element(w.begin(), w.end()));
    const double high = std::max(0.0, *std::max_element(w.begin(), w.end()));
    const double plain_scale = c.grid.sym ? 2 * std::max(-low, high) / top : (high - low) / top;
    const double rounded = to_float(to_half(static_cast<float>(plain_scale)));
    const double min_zero = c.grid.lowest_zero;
    const double plain_zero = c.grid.sym ? (top + 1) / 2 : std::clamp(std::nearbyint(-low / rounded), min_zero, top);
    ASSERT_EQ(to_float(to_half(scale)), scale);
    ASSERT_EQ(zero, std::nearbyint(zero));
    ASSERT_GE(zero, c.grid.lowest_zero);
    ASSERT_LE(zero, top);
    ASSERT_TRUE(!c.grid.sym || zero == (top + 1) / 2) << zero;
    if (c.grid.clip == Clip::kNone) {
      ASSERT_NEAR(scale / plain_scale, 1.0, 0x1.01p-11);  // half a step of fp16
      const double ideal = c.grid.sym ? plain_zero : std::clamp(-low / scale, min_zero, top);
      ASSERT_LE(std::abs(zero - ideal), 0.5 + 1e-4);
      return;
    }
    Square u(static_cast<int64_t>(w.size()));
    for (int64_t i = 0; i < u.n; ++i) {
      for (int64_t j = 0; j < u.n; ++j) u.at(i, j) = factor.at(begin + i, begin + j);
    }
    const double found = trial_loss(w, u, c.grid, scale, zero), plain = trial_loss(w, u, c.grid, rounded, plain_zero);
    // With feedback one decision that is close to a tie changes all that follow: then only the sum over rows and groups
    // says whether the search chose well.
    const bool fed_back = c.grid.clip == Clip::kHessian && w.size() <= 256;
    ASSERT_LE(found, plain * (fed_back ? 2.0 : 1 + 1e-3)) << "the search made it worse";
    found_loss_ += found;
    plain_loss_ += plain;
  }
};

TEST_P(SolveContract, EveryDecisionOfTheColumnLoop) {
  for (const int bits : {2, 3, 4, 8}) {
    for (const bool sym : {true, false}) {
      for (const Clip clip : {Clip::kNone, Clip::kMse, Clip::kHessian}) {
        for (const auto& [k, group_size] :
             {std::pair<int64_t, int64_t>{32, 32}, {96, 16}, {160, 43}, {160, 64}, {160, 96}, {288, 128}, {288, 288}}) {
          for (const bool reversed : {false, true}) {
            if (reversed && k % group_size != 0) continue;
            SCOPED_TRACE(std::to_string(bits) + " bits, sym " + std::to_string(sym) + ", clip " +
                         std::to_string(static_cast<int>(clip)) + ", K " + std::to_string(k) + ", groups of " +
                         std::to_string(group_size));
            check({32, k, group_size, {bits, sym, clip, sym ? 0 : bits % 2}, false, false, reversed});
            if (HasFatalFailure()) return;
          }
        }
      }
    }
  }
}

TEST_P(SolveContract, ManyColumns) {  // more than a backend keeps close together at any level of its blocks
  for (const int64_t group_size : {64, 128, 200, 256, 592, 1184}) {
    SCOPED_TRACE("groups of " + std::to_string(group_size));
    check({32, 1184, group_size, {4, group_size == 256, Clip::kHessian, 0}, false, false, false});
    if (HasFatalFailure()) return;
  }
  check({32, 1184, 128, {4, false, Clip::kHessian, 0}, true, true, false});
}

TEST_P(SolveContract, GivenScalesInAnyOrder) {
  for (const int bits : {2, 3, 4, 8}) {
    for (const bool scattered : {false, true}) {
      for (const auto& [k, group_size] : {std::pair<int64_t, int64_t>{96, 16}, {160, 64}, {288, 128}, {300, 300}}) {
        check({96, k, group_size, {bits, false, Clip::kHessian, 0}, true, scattered, false});
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST_P(SolveContract, WeightsThatAreNotFiniteGiveLegalCodes) {
  for (const Clip clip : {Clip::kNone, Clip::kMse, Clip::kHessian}) {
    for (const bool sym : {true, false}) {
      Host w = random_host(32, 64, 1), identity(64, 64), scales(2, 32), zeros(2, 32);
      for (int64_t i = 0; i < 64; ++i) identity.at(i, i) = 1.0f;
      w.at(1, 7) = NAN, w.at(2, 0) = INFINITY, w.at(3, 63) = -INFINITY, w.at(4, 5) = 3e38f;
      const DType f32 = DType::kF32;
      const Placed dw(backend(), f32, w, false), ds(backend(), f32, identity, false), s(backend(), f32, scales, false),
          z(backend(), f32, zeros, false), codes(backend(), DType::kU8, 64, 32, false);
      std::vector<int32_t> group(64);
      for (size_t j = 0; j < 64; ++j) group[j] = static_cast<int32_t>(j / 32);
      backend().solve_columns(
          {dw.view(), ds.view(), group, {3, sym, clip, 0}, false, s.view(), z.view(), codes.view()});
      for (const float code : codes.host().values) ASSERT_LE(code, 7);
      for (int64_t j = 0; j < 64; ++j) ASSERT_NEAR(dw.host().at(0, j), w.at(0, j), 0.8);  // its neighbours do not care
    }
  }
}

GPTQ_EVERY_BACKEND(SolveContract);

}  // namespace
}  // namespace gptq::backend
