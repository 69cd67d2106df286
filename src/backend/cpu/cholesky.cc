// Blocked algorithms whose work is in matrix products (Golub and Van Loan, Matrix Computations, 4.2.6).
#include "backend/cpu/cholesky.h"

#include <algorithm>
#include <cmath>

#include "backend/cpu/blas.h"
#include "backend/cpu/tiles.h"

namespace gptq::backend::cpu_gptq {

namespace {

constexpr int64_t kPanelColumns = 256;  // factorised on one thread, then applied to the columns behind them
constexpr int64_t kUpdateTile = 512;    // rows and columns of the matrix behind a panel in one task
constexpr int64_t kRowsPerSolve = 128;  // right-hand sides in one task

int factor_block(int n, float* a, int stride) {
  int info = 0;
  blas().spotrf("L", &n, a, &stride, &info, 1);
  return info;
}
int factor_block(int n, double* a, int stride) {
  int info = 0;
  blas().dpotrf("L", &n, a, &stride, &info, 1);
  return info;
}

// rows := rows·L⁻ᵀ, column-major [m, n]
void solve_panel(int m, int n, const float* factor, float* rows, int stride) {
  blas().strsm(CblasColMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, m, n, 1.0f, factor, stride, rows,
               stride);
}
void solve_panel(int m, int n, const double* factor, double* rows, int stride) {
  blas().dtrsm(CblasColMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, m, n, 1.0, factor, stride, rows,
               stride);
}

// c −= a·aᵀ, the lower triangle of it                                                                column-major
void update_diagonal(int n, int depth, const float* a, float* c, int stride) {
  blas().ssyrk(CblasColMajor, CblasLower, CblasNoTrans, n, depth, -1.0f, a, stride, 1.0f, c, stride);
}
void update_diagonal(int n, int depth, const double* a, double* c, int stride) {
  blas().dsyrk(CblasColMajor, CblasLower, CblasNoTrans, n, depth, -1.0, a, stride, 1.0, c, stride);
}

// c −= a·bᵀ                                                                                          column-major
void update_tile(int m, int n, int depth, const float* a, const float* b, float* c, int stride) {
  blas().sgemm(CblasColMajor, CblasNoTrans, CblasTrans, m, n, depth, -1.0f, a, stride, b, stride, 1.0f, c, stride);
}
void update_tile(int m, int n, int depth, const double* a, const double* b, double* c, int stride) {
  blas().dgemm(CblasColMajor, CblasNoTrans, CblasTrans, m, n, depth, -1.0, a, stride, b, stride, 1.0, c, stride);
}

// Subtracts panel·panelᵀ from the lower triangle behind the panel that ends at column `end`.
template <typename T>
void update_behind(T* a, int64_t k, int64_t begin, int64_t end, ThreadPool& pool) {
  const int depth = static_cast<int>(end - begin), stride = static_cast<int>(k);
  const T* panel = a + begin * k;
  for_tiles(lower_tiles(end, k, kUpdateTile), pool, [&](const Tile& tile) {
    const int m = static_cast<int>(tile.rows), n = static_cast<int>(tile.columns);
    T* to = a + tile.column * k + tile.row;
    if (tile.row == tile.column) {
      update_diagonal(n, depth, panel + tile.row, to, stride);
    } else {
      update_tile(m, n, depth, panel + tile.row, panel + tile.column, to, stride);
    }
  });
}

template <typename T>
bool blocked_cholesky(T* a, int64_t k, ThreadPool& pool) {
  for (int64_t begin = 0; begin < k; begin += kPanelColumns) {
    const int64_t end = std::min(k, begin + kPanelColumns);
    const int n = static_cast<int>(end - begin), stride = static_cast<int>(k);
    T* diagonal = a + begin * k + begin;
    if (factor_block(n, diagonal, stride) != 0) return false;
    T* below = a + begin * k + end;
    for_blocks(k - end, kRowsPerSolve, pool, [&](int64_t first, int64_t last) {
      solve_panel(static_cast<int>(last - first), n, diagonal, below + first, stride);
    });
    update_behind(a, k, begin, end, pool);
  }
  // OpenBLAS reports pivots that are not positive, but not NaN and infinity; these propagate to the diagonal.
  for (int64_t j = 0; j < k; ++j) {
    if (!std::isfinite(a[j * k + j])) return false;
  }
  return true;
}

}  // namespace

bool cholesky(float* a, int64_t k, ThreadPool& pool) { return blocked_cholesky(a, k, pool); }
bool cholesky(double* a, int64_t k, ThreadPool& pool) { return blocked_cholesky(a, k, pool); }

void solve_rows(MatrixView rows, const float* factor, ThreadPool& pool) {
  const int k = static_cast<int>(rows.cols);
  for_blocks(rows.rows, kRowsPerSolve, pool, [&](int64_t first, int64_t end) {
    for (const CBLAS_TRANSPOSE side : {CblasNoTrans, CblasTrans}) {  // rows as the columns of a column-major matrix
      blas().strsm(CblasColMajor, CblasLeft, CblasLower, side, CblasNonUnit, k, static_cast<int>(end - first), 1.0f,
                   factor, k, rows.row(first), static_cast<int>(rows.stride));
    }
  });
}

void invert_transposed(float* u, MatrixView s, ThreadPool& pool) {
  const int64_t k = s.rows;
  for_blocks(k, kRowsPerSolve, pool, [&](int64_t first, int64_t end) {
    // Rows of U solve U·Sᵀ = I, from their diagonal to the right.
    for (int64_t i = first; i < end; ++i) {
      std::fill_n(u + i * k, k, 0.0f);
      u[i * k + i] = 1.0f;
    }
    blas().strsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, static_cast<int>(end - first),
                 static_cast<int>(k - first), 1.0f, s.row(first) + first, static_cast<int>(s.stride),
                 u + first * k + first, static_cast<int>(k));
  });
}

}  // namespace gptq::backend::cpu_gptq
