// Plain loops for every GPTQ operation; tests compare all optimized code with them.
#include "backend/cpu/reference_gptq.h"

#include <algorithm>
#include <cmath>

#include "core/half.h"

namespace gptq::backend::reference {

namespace {

double lower(MatrixView h, int64_t r, int64_t c) { return r >= c ? h.row(r)[c] : h.row(c)[r]; }

// Upper triangular U with A = Uᵀ·U (Cholesky); false when A is not positive definite.             a, u [K·K]
bool cholesky(const std::vector<double>& a, std::vector<double>& u, int64_t k) {
  u.assign(a.size(), 0.0);
  for (int64_t i = 0; i < k; ++i) {
    for (int64_t j = i; j < k; ++j) {
      double sum = a[static_cast<size_t>(i * k + j)];
      for (int64_t m = 0; m < i; ++m) sum -= u[static_cast<size_t>(m * k + i)] * u[static_cast<size_t>(m * k + j)];
      if (i == j && !(sum > 0 && std::isfinite(sum))) return false;
      u[static_cast<size_t>(i * k + j)] = i == j ? std::sqrt(sum) : sum / u[static_cast<size_t>(i * k + i)];
    }
  }
  return true;
}

// The scale and zero of a group of one row's weights, from their range with zero included (backend/grid.h).
struct RowGrid {
  float scale = 0, zero = 0;
};
RowGrid grid_of(std::span<const double> w, const GridSpec& spec) {
  const double top = (1 << spec.bits) - 1;
  const double low = std::min(0.0, *std::min_element(w.begin(), w.end()));
  const double high = std::max(0.0, *std::max_element(w.begin(), w.end()));
  const double range = spec.sym ? 2 * std::max(-low, high) : high - low;
  const float scale = to_float(to_half(static_cast<float>(range > 0 ? range / top : 1.0 / top)));
  if (spec.sym) return {scale, static_cast<float>(1 << (spec.bits - 1))};
  return {scale, static_cast<float>(std::clamp(std::nearbyint(-low / scale), double(spec.lowest_zero), top))};
}

}  // namespace

void accumulate_hessian(MatrixView h, MatrixView x) {
  for (int64_t i = 0; i < h.rows; ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      double sum = 0;
      for (int64_t t = 0; t < x.rows; ++t) sum += double{x.row(t)[i]} * x.row(t)[j];
      h.row(i)[j] += static_cast<float>(sum);
    }
  }
}

void accumulate_cross(MatrixView d, MatrixView target, MatrixView x) {
  for (int64_t i = 0; i < d.rows; ++i) {
    for (int64_t j = 0; j < d.cols; ++j) {
      double sum = 0;
      for (int64_t t = 0; t < x.rows; ++t) sum += (double{target.row(t)[i]} - x.row(t)[i]) * x.row(t)[j];
      d.row(i)[j] += static_cast<float>(sum);
    }
  }
}

void accumulate_cross_of_rows(MatrixView p, MatrixView w, MatrixView target, MatrixView x) {
  for (int64_t n = 0; n < w.rows; ++n) {
    std::vector<double> sums(static_cast<size_t>(x.cols));
    for (int64_t t = 0; t < x.rows; ++t) {
      double output = 0;
      for (int64_t i = 0; i < x.cols; ++i) output += w.row(n)[i] * (double{target.row(t)[i]} - x.row(t)[i]);
      for (int64_t i = 0; i < x.cols; ++i) sums[static_cast<size_t>(i)] += output * x.row(t)[i];
    }
    for (int64_t i = 0; i < x.cols; ++i) p.row(n)[i] += static_cast<float>(sums[static_cast<size_t>(i)]);
  }
}

std::vector<double> damped(MatrixView h, std::span<const int> order, double damping) {
  std::vector<double> a;
  for (int64_t i = 0; i < h.rows; ++i) {
    for (int64_t j = 0; j < h.rows; ++j) {
      const int64_t r = order[static_cast<size_t>(i)], c = order[static_cast<size_t>(j)];
      a.push_back(lower(h, r, c) + (i == j ? damping : 0.0));
    }
  }
  return a;
}

bool factorize(MatrixView s, MatrixView h, std::span<const int> order, double damping) {
  // S of Sᵀ·S is the Cholesky factor of the matrix with its order reversed, itself reversed.
  const int64_t k = h.rows;
  const std::vector<int> reversed(order.rbegin(), order.rend());
  std::vector<double> u;
  if (!cholesky(damped(h, reversed, damping), u, k)) return false;
  for (int64_t i = 0; i < k; ++i) {
    for (int64_t j = 0; j < k; ++j) {
      const double value = u[static_cast<size_t>((k - 1 - i) * k + k - 1 - j)];
      s.row(i)[j] = j <= i ? static_cast<float>(value) : 0.0f;
    }
  }
  return true;
}

bool solve_gptaq_target(MatrixView w, MatrixView d, MatrixView h, double damping, double alpha) {
  const int64_t k = h.rows;
  std::vector<int> order;
  for (int64_t i = 0; i < k; ++i) order.push_back(static_cast<int>(i));
  std::vector<double> u, target;
  if (!cholesky(damped(h, order, damping), u, k)) return false;
  for (int64_t n = 0; n < w.rows; ++n) {
    std::vector<double> row(static_cast<size_t>(k));  // w·d, then x of x·A = w·d
    for (int64_t j = 0; j < k; ++j) {
      for (int64_t i = 0; i < k; ++i) row[static_cast<size_t>(j)] += double{w.row(n)[i]} * d.row(i)[j];
    }
    for (int64_t j = 0; j < k; ++j) {
      for (int64_t i = 0; i < j; ++i)
        row[static_cast<size_t>(j)] -= row[static_cast<size_t>(i)] * u[static_cast<size_t>(i * k + j)];
      row[static_cast<size_t>(j)] /= u[static_cast<size_t>(j * k + j)];
    }
    for (int64_t j = k - 1; j >= 0; --j) {
      for (int64_t i = j + 1; i < k; ++i)
        row[static_cast<size_t>(j)] -= row[static_cast<size_t>(i)] * u[static_cast<size_t>(j * k + i)];
      row[static_cast<size_t>(j)] /= u[static_cast<size_t>(j * k + j)];
    }
    for (int64_t j = 0; j < k; ++j) target.push_back(w.row(n)[j] + alpha * row[static_cast<size_t>(j)]);
  }
  for (int64_t n = 0; n < w.rows; ++n) {
    for (int64_t j = 0; j < k; ++j) w.row(n)[j] = static_cast<float>(target[static_cast<size_t>(n * k + j)]);
  }
  return true;
}

std::vector<double> row_quadratic_forms(MatrixView w, MatrixView h) {
  std::vector<double> result;
  for (int64_t n = 0; n < w.rows; ++n) {
    double sum = 0;
    for (int64_t i = 0; i < h.rows; ++i) {
      for (int64_t j = 0; j < h.rows; ++j) sum += double{w.row(n)[i]} * lower(h, i, j) * w.row(n)[j];
    }
    result.push_back(sum);
  }
  return result;
}

void solve_columns(const SolveArgs& args) {
  const int64_t k = args.weights.cols;
  // U = S⁻ᵀ: column c of S⁻¹, by substitution, is row c of U.
  std::vector<double> u(static_cast<size_t>(k * k));
  for (int64_t c = 0; c < k; ++c) {
    for (int64_t i = c; i < k; ++i) {
      double sum = i == c;
      for (int64_t j = c; j < i; ++j) sum -= double{args.factor.row(i)[j]} * u[static_cast<size_t>(c * k + j)];
      u[static_cast<size_t>(c * k + i)] = sum / args.factor.row(i)[i];
    }
  }
  const double top = (1 << args.grid.bits) - 1;
  for (int64_t n = 0; n < args.weights.rows; ++n) {
    std::vector<double> w(args.weights.row(n), args.weights.row(n) + k);
    for (int64_t j = 0; j < k; ++j) {
      const size_t at = static_cast<size_t>(j);
      float& scale = args.scales.row(args.group[at])[n];
      float& zero = args.zeros.row(args.group[at])[n];
      if (!args.given_scales && (j == 0 || args.group[at - 1] != args.group[at])) {
        size_t end = at;
        while (end < w.size() && args.group[end] == args.group[at]) ++end;
        const RowGrid grid = grid_of(std::span(w).subspan(at, end - at), args.grid);
        scale = grid.scale;
        zero = grid.zero;
      }
      const double code = std::clamp(std::nearbyint(w[at] / scale) + zero, 0.0, top);
      const double error = (w[at] - scale * (code - zero)) / u[static_cast<size_t>(j * k + j)];
      for (int64_t i = j + 1; i < k; ++i) w[static_cast<size_t>(i)] -= error * u[static_cast<size_t>(j * k + i)];
      args.weights.row(n)[j] = scale * static_cast<float>(code - zero);
      args.codes.row<uint8_t>(j)[n] = static_cast<uint8_t>(code);
    }
  }
}

void gather_columns(MatrixView to, MatrixView from, std::span<const int> order) {
  for (int64_t n = 0; n < from.rows; ++n) {
    for (int64_t j = 0; j < from.cols; ++j) to.row(n)[j] = from.row(n)[order[static_cast<size_t>(j)]];
  }
}

void subtract_columns(MatrixView to, MatrixView from, std::span<const int> order) {
  for (int64_t n = 0; n < from.rows; ++n) {
    for (int64_t j = 0; j < from.cols; ++j) to.row(n)[order[static_cast<size_t>(j)]] -= from.row(n)[j];
  }
}

Tensor pack_codes(MatrixView codes, std::span<const int> order, int bits, int64_t first, int64_t count) {
  Tensor words(DType::kI32, {codes.rows * bits / 32, count});
  for (int64_t j = 0; j < codes.rows; ++j) {
    const int64_t bit = int64_t{order[static_cast<size_t>(j)]} * bits;  // of the output's column of bits
    for (int64_t n = 0; n < count; ++n) {
      const uint64_t code = uint64_t{codes.row<uint8_t>(j)[first + n]} << bit % 32;
      int32_t* const word = words.values<int32_t>().data() + bit / 32 * count + n;
      word[0] = static_cast<int32_t>(static_cast<uint32_t>(word[0]) | static_cast<uint32_t>(code));
      if (code >> 32 != 0) word[count] = static_cast<int32_t>(static_cast<uint32_t>(word[count]) | code >> 32);
    }
  }
  return words;
}

}  // namespace gptq::backend::reference
