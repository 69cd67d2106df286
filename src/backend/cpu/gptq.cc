// Hessians and other products by BLAS in tiles, factors by blocks (cholesky.h), the column loop by strips of rows.
//
// Tasks are the same for any number of threads, and BLAS uses one: the bits of a quantized model do not depend on the
// number of cores.
#include "backend/cpu/gptq.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>

#include "backend/cpu/blas.h"
#include "backend/cpu/cholesky.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/tiles.h"

namespace gptq::backend::cpu_gptq {

namespace {

constexpr int64_t kRowTile = 256;      // rows of W in one task
constexpr int64_t kFillRows = 64;      // rows of a square matrix in one task that moves data
constexpr int64_t kProductTile = 512;  // rows and columns of a product in one task
constexpr int64_t kFormTile = 256;     // columns of a quadratic form in one task

// Rows and columns of a Hessian in one task. OpenBLAS packs both operands of each task: large tiles for large matrices,
// of which enough remain for many threads.
int64_t hessian_tile(int64_t k) { return k >= 4096 ? 512 : k >= 1536 ? 256 : 128; }

void for_row_tiles(int64_t rows, ThreadPool& pool, const std::function<void(int64_t)>& body) {
  for_blocks(rows, kRowTile, pool, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) body(i);
  });
}

float symmetric(MatrixView h, int64_t i, int64_t j) { return i >= j ? h.row(i)[j] : h.row(j)[i]; }

// a − b, row-major, in memory of the thread that its next call reuses.                              [rows, columns]
const float* subtract(MatrixView a, MatrixView b) {
  thread_local std::vector<float> difference;
  difference.resize(static_cast<size_t>(a.rows * a.cols));
  for (int64_t i = 0; i < a.rows; ++i) {
    const float* from = a.row(i);
    const float* other = b.row(i);
    float* to = difference.data() + i * a.cols;
    for (int64_t j = 0; j < a.cols; ++j) to[j] = from[j] - other[j];
  }
  return difference.data();
}

// to = a·b
void multiply(MatrixView to, MatrixView a, MatrixView b, ThreadPool& pool) {
  for_tiles(tiles(to.rows, to.cols, kProductTile, kProductTile), pool, [&](const Tile& tile) {
    blas().sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, static_cast<int>(tile.rows), static_cast<int>(tile.columns),
                 static_cast<int>(a.cols), 1.0f, a.row(tile.row), static_cast<int>(a.stride), b.row(0) + tile.column,
                 static_cast<int>(b.stride), 0.0f, to.row(tile.row) + tile.column, static_cast<int>(to.stride));
  });
}

// With R reversing rows and columns: from R·A·R = L·Lᵀ follows A = Sᵀ·S with S = R·Lᵀ·R lower triangular.
template <typename T>
bool lower_factor(MatrixView s, MatrixView h, std::span<const int> order, float damping, ThreadPool& pool) {
  const int64_t k = h.rows;
  const auto a = std::make_unique_for_overwrite<T[]>(static_cast<size_t>(k * k));  // column-major, lower triangle
  const auto reversed = [&](int64_t i) { return int64_t{order[static_cast<size_t>(k - 1 - i)]}; };
  for_blocks(k, kFillRows, pool, [&](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j) {
      for (int64_t i = j; i < k; ++i) a[j * k + i] = static_cast<T>(symmetric(h, reversed(i), reversed(j)));
      a[j * k + j] += static_cast<T>(damping);
    }
  });
  if (!cholesky(a.get(), k, pool)) return false;
  for_blocks(k, kFillRows, pool, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t j = 0; j <= i; ++j) s.row(i)[j] = static_cast<float>(a[(k - 1 - i) * k + (k - 1 - j)]);
      std::fill_n(s.row(i) + i + 1, k - i - 1, 0.0f);
    }
  });
  return true;
}

}  // namespace

int64_t scratch_bytes(GptqOp op, int64_t n, int64_t k) {
  constexpr int64_t kFloat = sizeof(float), kDouble = sizeof(double);
  switch (op) {
    case GptqOp::kRowQuadraticForms: return n * ((k + kFormTile - 1) / kFormTile) * kDouble;
    case GptqOp::kGptaqTarget: return (k + n) * k * kFloat;
    case GptqOp::kSolveColumns: break;
  }
  return k * k * kDouble;  // the factor in double precision
}

void accumulate_hessian(MatrixView h, MatrixView x, ThreadPool& pool) {
  CHECK(h.rows == x.cols && h.cols == x.cols);
  const int tokens = static_cast<int>(x.rows), stride = static_cast<int>(x.stride);
  for_tiles(lower_tiles(0, h.rows, hessian_tile(h.rows)), pool, [&](const Tile& tile) {
    const int m = static_cast<int>(tile.rows), n = static_cast<int>(tile.columns);
    float* out = h.row(tile.row) + tile.column;
    if (tile.row == tile.column) {
      blas().ssyrk(CblasRowMajor, CblasLower, CblasTrans, m, tokens, 1.0f, x.row(0) + tile.row, stride, 1.0f, out,
                   static_cast<int>(h.stride));
    } else {
      blas().sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, m, n, tokens, 1.0f, x.row(0) + tile.row, stride,
                   x.row(0) + tile.column, stride, 1.0f, out, static_cast<int>(h.stride));
    }
  });
}

void accumulate_cross(MatrixView d, MatrixView target, MatrixView x, ThreadPool& pool) {
  CHECK(d.rows == x.cols && d.cols == x.cols && target.rows == x.rows && target.cols == x.cols);
  const int64_t step = hessian_tile(d.rows);
  for_tiles(tiles(d.rows, d.cols, step, 2 * step), pool, [&](const Tile& tile) {
    const float* difference =  // [T, rows of the tile]
        subtract(target.column_range(tile.row, tile.rows), x.column_range(tile.row, tile.rows));
    const int m = static_cast<int>(tile.rows), n = static_cast<int>(tile.columns);
    blas().sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, m, n, static_cast<int>(x.rows), 1.0f, difference, m,
                 x.row(0) + tile.column, static_cast<int>(x.stride), 1.0f, d.row(tile.row) + tile.column,
                 static_cast<int>(d.stride));
  });
}

void accumulate_cross_of_rows(MatrixView p, MatrixView w, MatrixView target, MatrixView x, ThreadPool& pool) {
  CHECK(p.rows == w.rows && p.cols == x.cols && w.cols == x.cols);
  CHECK(target.rows == x.rows && target.cols == x.cols);
  const int n = static_cast<int>(w.rows), k = static_cast<int>(x.cols);
  const auto outputs = std::make_unique_for_overwrite<float[]>(static_cast<size_t>(x.rows * n));  // [T, N]
  for_tiles(tiles(x.rows, n, kRowTile, kProductTile), pool, [&](const Tile& tile) {
    const float* difference =  // [rows of the tile, K]
        subtract(target.row_range(tile.row, tile.rows), x.row_range(tile.row, tile.rows));
    blas().sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, static_cast<int>(tile.rows), static_cast<int>(tile.columns),
                 k, 1.0f, difference, k, w.row(tile.column), static_cast<int>(w.stride), 0.0f,
                 outputs.get() + tile.row * n + tile.column, n);
  });
  for_tiles(tiles(n, k, kProductTile, kProductTile), pool, [&](const Tile& tile) {
    blas().sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, static_cast<int>(tile.rows), static_cast<int>(tile.columns),
                 static_cast<int>(x.rows), 1.0f, outputs.get() + tile.row, n, x.row(0) + tile.column,
                 static_cast<int>(x.stride), 1.0f, p.row(tile.row) + tile.column, static_cast<int>(p.stride));
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

bool factorize(MatrixView s, MatrixView h, std::span<const int> order, float damping, bool precise, ThreadPool& pool) {
  return precise ? lower_factor<double>(s, h, order, damping, pool) : lower_factor<float>(s, h, order, damping, pool);
}

bool solve_gptaq_target(MatrixView w, MatrixView d, MatrixView h, float damping, float alpha, ThreadPool& pool) {
  const int64_t k = h.rows;
  const auto factor = std::make_unique_for_overwrite<float[]>(static_cast<size_t>(k * k));  // column-major
  for_blocks(k, kFillRows, pool, [&](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j) {
      for (int64_t i = j; i < k; ++i) factor[j * k + i] = h.row(i)[j];
      factor[j * k + j] += damping;
    }
  });
  if (!cholesky(factor.get(), k, pool)) return false;
  // (w·d)·A⁻¹ or w·(d·A⁻¹): the one with fewer rows to solve for.
  std::unique_ptr<float[]> memory;
  MatrixView product = d;  // [N, K]
  if (d.rows == k) {
    if (w.rows >= k) solve_rows(d, factor.get(), pool);
    memory = std::make_unique_for_overwrite<float[]>(static_cast<size_t>(w.rows * k));
    product = {DType::kF32, reinterpret_cast<std::byte*>(memory.get()), w.rows, k, k};
    multiply(product, w, d, pool);
  }
  CHECK(product.rows == w.rows);
  if (w.rows < k) solve_rows(product, factor.get(), pool);
  for_row_tiles(w.rows, pool, [&](int64_t i) {
    for (int64_t j = 0; j < k; ++j) w.row(i)[j] += alpha * product.row(i)[j];
  });
  return true;
}

void solve_columns(const SolveArgs& args, ThreadPool& pool) {
  const int64_t k = args.weights.cols, n = args.weights.rows, groups = args.scales.rows;
  CHECK(n % kStripRows == 0 && args.scales.cols == n && args.codes.rows == k && args.codes.cols == n);
  const auto factor = std::make_unique_for_overwrite<float[]>(static_cast<size_t>(k * k));  // U = S⁻ᵀ
  invert_transposed(factor.get(), args.factor, pool);
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
    strip.factor = factor.get();
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

// With the columns in blocks J: w·h·wᵀ = Σ_J (w_J·h_JJ + 2·w_{>J}·h_{>J,J})·w_Jᵀ, half the products of w·h.
std::vector<double> row_quadratic_forms(MatrixView w, MatrixView h, ThreadPool& pool) {
  const int64_t k = h.rows;
  std::vector<double> sums(static_cast<size_t>(w.rows * ((k + kFormTile - 1) / kFormTile)));  // [blocks, N]
  for_tiles(tiles(k, w.rows, kFormTile, kProductTile), pool, [&](const Tile& tile) {
    thread_local std::vector<float> product;  // [rows of w, columns of h]
    const MatrixView rows = w.row_range(tile.column, tile.columns);
    const int m = static_cast<int>(rows.rows), n = static_cast<int>(tile.rows);
    const int64_t end = tile.row + tile.rows;
    product.resize(static_cast<size_t>(rows.rows * tile.rows));
    blas().ssymm(CblasRowMajor, CblasRight, CblasLower, m, n, 1.0f, h.row(tile.row) + tile.row,
                 static_cast<int>(h.stride), rows.row(0) + tile.row, static_cast<int>(rows.stride), 0.0f,
                 product.data(), n);
    if (end < k) {
      blas().sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, static_cast<int>(k - end), 2.0f, rows.row(0) + end,
                   static_cast<int>(rows.stride), h.row(end) + tile.row, static_cast<int>(h.stride), 1.0f,
                   product.data(), n);
    }
    for (int64_t i = 0; i < rows.rows; ++i) {
      double sum = 0;
      for (int64_t j = 0; j < tile.rows; ++j) {
        sum += double{rows.row(i)[tile.row + j]} * product[static_cast<size_t>(i * tile.rows + j)];
      }
      sums[static_cast<size_t>(tile.row / kFormTile * w.rows + tile.column + i)] = sum;
    }
  });
  std::vector<double> result(static_cast<size_t>(w.rows));
  for (size_t i = 0; i < sums.size(); ++i) result[i % result.size()] += sums[i];
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
