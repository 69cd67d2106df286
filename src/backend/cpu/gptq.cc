// Hessians by SYRK and GEMM blocks, factors by LAPACK, the column loop by strips of rows.
//
// Tasks are the same for any number of threads, and LAPACK uses one: the bits of a quantized model do not depend on the
// number of cores.
#include "backend/cpu/gptq.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "backend/cpu/blas.h"
#include "backend/cpu/kernels.h"

namespace gptq::backend::cpu_gptq {

namespace {

constexpr int64_t kBlock = 128;    // of a Hessian, one task each
constexpr int64_t kRowTile = 256;  // rows of W in one task

struct Block {
  int64_t row, column;
};

std::vector<Block> blocks(int64_t size, bool lower_only) {
  std::vector<Block> result;
  for (int64_t row = 0; row < size; row += kBlock) {
    for (int64_t column = 0; column < (lower_only ? row + 1 : size); column += kBlock) result.push_back({row, column});
  }
  return result;
}

int lapack_potrf(int n, float* a) {
  int info = 0;
  blas().spotrf("L", &n, a, &n, &info, 1);
  return info;
}
int lapack_potrf(int n, double* a) {
  int info = 0;
  blas().dpotrf("L", &n, a, &n, &info, 1);
  return info;
}

// Cholesky factor in place, lower triangle. OpenBLAS reports pivots that are not positive, but not NaN and infinity;
// these propagate to the diagonal.
template <typename T>
bool cholesky(int64_t k, std::vector<T>& a) {
  if (lapack_potrf(static_cast<int>(k), a.data()) != 0) return false;
  for (int64_t j = 0; j < k; ++j) {
    if (!std::isfinite(a[static_cast<size_t>(j * k + j)])) return false;
  }
  return true;
}

void for_row_tiles(int64_t rows, ThreadPool& pool, const std::function<void(int64_t)>& body) {
  pool.parallel_for((rows + kRowTile - 1) / kRowTile, [&](int64_t index) {
    for (int64_t i = index * kRowTile; i < std::min(rows, (index + 1) * kRowTile); ++i) body(i);
  });
}

float symmetric(MatrixView h, int64_t i, int64_t j) { return i >= j ? h.row(i)[j] : h.row(j)[i]; }

// With R reversing rows and columns: from R·A·R = L·Lᵀ follows A = Sᵀ·S with S = R·Lᵀ·R lower triangular.
template <typename T>
bool lower_factor(MatrixView s, MatrixView h, std::span<const int> order, float damping) {
  const int64_t k = h.rows;
  std::vector<T> a(static_cast<size_t>(k * k));  // column-major, lower triangle
  const auto reversed = [&](int64_t i) { return int64_t{order[static_cast<size_t>(k - 1 - i)]}; };
  for (int64_t j = 0; j < k; ++j) {
    for (int64_t i = j; i < k; ++i)
      a[static_cast<size_t>(j * k + i)] = static_cast<T>(symmetric(h, reversed(i), reversed(j)));
    a[static_cast<size_t>(j * k + j)] += static_cast<T>(damping);
  }
  if (!cholesky(k, a)) return false;
  for (int64_t i = 0; i < k; ++i) {
    for (int64_t j = 0; j <= i; ++j)
      s.row(i)[j] = static_cast<float>(a[static_cast<size_t>((k - 1 - i) * k + (k - 1 - j))]);
    std::fill_n(s.row(i) + i + 1, k - i - 1, 0.0f);
  }
  return true;
}

// U = S⁻ᵀ, row-major: S⁻¹ as LAPACK stores it.                                                      [K, K]
std::vector<float> upper_factor(MatrixView s) {
  const int64_t k = s.rows;
  std::vector<float> u(static_cast<size_t>(k * k));
  for (int64_t i = 0; i < k; ++i) {
    for (int64_t j = 0; j <= i; ++j) u[static_cast<size_t>(j * k + i)] = s.row(i)[j];
  }
  const int n = static_cast<int>(k);
  int info = 0;
  blas().strtri("L", "N", &n, u.data(), &n, &info, 1, 1);
  CHECK(info == 0);
  return u;
}

}  // namespace

void accumulate_hessian(MatrixView h, MatrixView x, ThreadPool& pool) {
  CHECK(h.rows == x.cols && h.cols == x.cols);
  const std::vector<Block> tasks = blocks(h.rows, true);
  pool.parallel_for(static_cast<int64_t>(tasks.size()), [&](int64_t index) {
    const auto [row, column] = tasks[static_cast<size_t>(index)];
    const int m = static_cast<int>(std::min(kBlock, h.rows - row));
    const int n = static_cast<int>(std::min(kBlock, h.rows - column));
    float* out = h.row(row) + column;
    if (row == column) {
      blas().ssyrk(CblasRowMajor, CblasLower, CblasTrans, m, static_cast<int>(x.rows), 1.0f, x.row(0) + row,
                   static_cast<int>(x.stride), 1.0f, out, static_cast<int>(h.stride));
    } else {
      blas().sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, m, n, static_cast<int>(x.rows), 1.0f, x.row(0) + row,
                   static_cast<int>(x.stride), x.row(0) + column, static_cast<int>(x.stride), 1.0f, out,
                   static_cast<int>(h.stride));
    }
  });
}

void accumulate_cross(MatrixView d, MatrixView target, MatrixView x, ThreadPool& pool) {
  CHECK(d.rows == x.cols && d.cols == x.cols && target.rows == x.rows && target.cols == x.cols);
  const int64_t tasks = (d.rows + kBlock - 1) / kBlock;
  pool.parallel_for(tasks, [&](int64_t index) {
    thread_local std::vector<float> difference;  // [T, kBlock]
    const int64_t begin = index * kBlock, width = std::min(kBlock, d.rows - begin);
    difference.resize(static_cast<size_t>(x.rows * width));
    for (int64_t t = 0; t < x.rows; ++t) {
      const float* a = target.row(t) + begin;
      const float* b = x.row(t) + begin;
      for (int64_t i = 0; i < width; ++i) difference[static_cast<size_t>(t * width + i)] = a[i] - b[i];
    }
    blas().sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, static_cast<int>(width), static_cast<int>(d.cols),
                 static_cast<int>(x.rows), 1.0f, difference.data(), static_cast<int>(width), x.row(0),
                 static_cast<int>(x.stride), 1.0f, d.row(begin), static_cast<int>(d.stride));
  });
}

void load(MatrixView to, const TensorView& from, ThreadPool& pool) {
  CHECK(from.shape == (Shape{to.rows, to.cols}));
  const int64_t row_bytes = to.cols * size_of(from.dtype);
  for_row_tiles(to.rows, pool, [&](int64_t i) {
    to_float32({to.row(i), static_cast<size_t>(to.cols)}, {from.dtype, {to.cols}, from.data + i * row_bytes},
               "a weight");
  });
}

void gather_columns(MatrixView to, MatrixView from, std::span<const int> order, ThreadPool& pool) {
  CHECK(to.rows == from.rows && to.cols == static_cast<int64_t>(order.size()));
  for_row_tiles(to.rows, pool, [&](int64_t i) {
    for (size_t j = 0; j < order.size(); ++j) to.row(i)[j] = from.row(i)[order[j]];
  });
}

void subtract_columns(MatrixView to, MatrixView from, std::span<const int> order, ThreadPool& pool) {
  CHECK(to.rows == from.rows && from.cols == static_cast<int64_t>(order.size()));
  for_row_tiles(to.rows, pool, [&](int64_t i) {
    for (size_t j = 0; j < order.size(); ++j) to.row(i)[order[j]] -= from.row(i)[j];
  });
}

bool factorize(MatrixView s, MatrixView h, std::span<const int> order, float damping, bool precise) {
  return precise ? lower_factor<double>(s, h, order, damping) : lower_factor<float>(s, h, order, damping);
}

bool solve_gptaq_target(MatrixView w, MatrixView d, MatrixView h, float damping, float alpha, ThreadPool& pool) {
  const int64_t k = h.rows;
  const int n = static_cast<int>(k);
  CHECK(d.stride == k);
  std::vector<float> a(static_cast<size_t>(k * k));
  for (int64_t j = 0; j < k; ++j) {
    for (int64_t i = j; i < k; ++i) a[static_cast<size_t>(j * k + i)] = h.row(i)[j];
    a[static_cast<size_t>(j * k + j)] += damping;
  }
  if (!cholesky(k, a)) return false;
  // Row-major d read as column-major is dᵀ; A is symmetric: solving A·Y = dᵀ in place replaces d by Yᵀ = d·A⁻¹.
  int info = 0;
  blas().spotrs("L", &n, &n, a.data(), &n, d.row(0), &n, &info, 1);
  if (info != 0) return false;
  pool.parallel_for((w.rows + kRowTile - 1) / kRowTile, [&](int64_t index) {
    thread_local std::vector<float> product;  // [rows, K]
    const MatrixView rows = w.row_range(index * kRowTile, std::min(kRowTile, w.rows - index * kRowTile));
    product.resize(static_cast<size_t>(rows.rows * k));
    blas().sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, static_cast<int>(rows.rows), n, n, alpha, rows.row(0),
                 static_cast<int>(rows.stride), d.row(0), n, 0.0f, product.data(), n);
    for (int64_t i = 0; i < rows.rows; ++i) best_kernels().add(rows.row(i), product.data() + i * k, k);
  });
  return true;
}

void solve_columns(const SolveArgs& args, ThreadPool& pool) {
  const int64_t k = args.weights.cols, n = args.weights.rows, groups = args.scales.rows;
  CHECK(n % kStripRows == 0 && args.scales.cols == n && args.codes.rows == k && args.codes.cols == n);
  const std::vector<float> factor = upper_factor(args.factor);
  pool.parallel_for(n / kStripRows, [&](int64_t index) {
    thread_local std::vector<float> w, scratch, scales, zeros;
    thread_local std::vector<uint8_t> codes;
    const int64_t first = index * kStripRows;
    w.resize(static_cast<size_t>(k * kStripRows));
    scratch.resize(w.size());
    codes.resize(w.size());
    scales.resize(static_cast<size_t>(groups * kStripRows));
    zeros.resize(scales.size());
    for (int64_t i = 0; i < kStripRows; ++i) {
      for (int64_t j = 0; j < k; ++j) w[static_cast<size_t>(j * kStripRows + i)] = args.weights.row(first + i)[j];
    }
    for (int64_t g = 0; g < groups; ++g) {
      std::copy_n(args.scales.row(g) + first, kStripRows, scales.data() + g * kStripRows);
      std::copy_n(args.zeros.row(g) + first, kStripRows, zeros.data() + g * kStripRows);
    }
    GptqStrip strip;
    strip.columns = k;
    strip.w = w.data();
    strip.scratch = scratch.data();
    strip.factor = factor.data();
    strip.group = args.group.data();
    strip.given_scales = args.given_scales;
    strip.bits = args.grid.bits;
    strip.sym = args.grid.sym;
    strip.lowest_zero = static_cast<float>(args.grid.lowest_zero);
    strip.clip = args.grid.clip;
    strip.scales = scales.data();
    strip.zeros = zeros.data();
    strip.codes = codes.data();
    best_kernels().gptq_strip(strip);
    for (int64_t j = 0; j < k; ++j) {
      for (int64_t i = 0; i < kStripRows; ++i)
        args.weights.row(first + i)[j] = w[static_cast<size_t>(j * kStripRows + i)];
      std::copy_n(codes.data() + j * kStripRows, kStripRows, args.codes.row<uint8_t>(j) + first);
    }
    for (int64_t g = 0; g < groups; ++g) {
      std::copy_n(scales.data() + g * kStripRows, kStripRows, args.scales.row(g) + first);
      std::copy_n(zeros.data() + g * kStripRows, kStripRows, args.zeros.row(g) + first);
    }
  });
}

std::vector<double> row_quadratic_forms(MatrixView w, MatrixView h, ThreadPool& pool) {
  const int64_t k = h.rows;
  std::vector<double> result(static_cast<size_t>(w.rows));
  pool.parallel_for((w.rows + kRowTile - 1) / kRowTile, [&](int64_t index) {
    thread_local std::vector<float> product;  // w·h [rows, K]
    const int64_t first = index * kRowTile;
    const MatrixView rows = w.row_range(first, std::min(kRowTile, w.rows - first));
    product.resize(static_cast<size_t>(rows.rows * k));
    blas().ssymm(CblasRowMajor, CblasRight, CblasLower, static_cast<int>(rows.rows), static_cast<int>(k), 1.0f,
                 h.row(0), static_cast<int>(h.stride), rows.row(0), static_cast<int>(rows.stride), 0.0f, product.data(),
                 static_cast<int>(k));
    for (int64_t i = 0; i < rows.rows; ++i) {
      double sum = 0;
      for (int64_t j = 0; j < k; ++j) sum += double{rows.row(i)[j]} * product[static_cast<size_t>(i * k + j)];
      result[static_cast<size_t>(first + i)] = sum;
    }
  });
  return result;
}

Tensor pack_codes(MatrixView codes, std::span<const int> order, int bits, int64_t first, int64_t count,
                  ThreadPool& pool) {
  CHECK(codes.rows == static_cast<int64_t>(order.size()) && first + count <= codes.cols);
  Tensor words(DType::kI32, {codes.rows * bits / 32, count});
  int32_t* out = words.values<int32_t>().data();
  pool.parallel_for((count + kRowTile - 1) / kRowTile, [&](int64_t index) {
    const int64_t begin = index * kRowTile, end = std::min(count, begin + kRowTile);
    for (int64_t j = 0; j < codes.rows; ++j) {
      const uint8_t* row = codes.row<uint8_t>(j) + first;
      for (int64_t n = begin; n < end; ++n) pack_field(out + n, order[static_cast<size_t>(j)], bits, row[n], count);
    }
  });
  return words;
}

}  // namespace gptq::backend::cpu_gptq
