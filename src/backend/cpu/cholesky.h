// Cholesky factors and triangular systems, divided over the thread pool.
//
// OpenBLAS's LAPACK would factorise on the calling thread alone while the other threads wait. Blocks depend on the size
// only, so results are the same for any number of threads.
#pragma once

#include <cstdint>

#include "backend/matrix.h"
#include "core/threads.h"

namespace gptq::backend::cpu_gptq {

// Replaces the lower triangle of a symmetric matrix by its Cholesky factor L, A = L·Lᵀ. `a` is column-major [K, K]; the
// strict upper triangle is neither read nor kept. False when A is not positive definite or not finite.
bool cholesky(float* a, int64_t k, ThreadPool& pool);
bool cholesky(double* a, int64_t k, ThreadPool& pool);

// Replaces each row r by r·A⁻¹, where `factor` is A's column-major Cholesky factor.                 rows [M, K]
void solve_rows(MatrixView rows, const float* factor, ThreadPool& pool);

// u = S⁻ᵀ, row-major and with zeros below its diagonal, of a lower triangular S.                    [K, K]
void invert_transposed(float* u, MatrixView s, ThreadPool& pool);

}  // namespace gptq::backend::cpu_gptq
