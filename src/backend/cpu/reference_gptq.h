// Reference implementations of the GPTQ operations (backend/gptq_ops.h) as plain loops in double precision, as in the
// papers; not optimized. All matrices are F32 in host memory unless stated otherwise.
#pragma once

#include <span>
#include <vector>

#include "backend/gptq_ops.h"
#include "core/tensor.h"

namespace gptq::backend::reference {

// h += xᵀ·x, lower triangle                                       h [K, K]   x [T, K]
void accumulate_hessian(MatrixView h, MatrixView x);
// d += (target − x)ᵀ·x                                            d [K, K]   target, x [T, K]
void accumulate_cross(MatrixView d, MatrixView target, MatrixView x);
// p += w·(target − x)ᵀ·x                                          p, w [N, K]   target, x [T, K]
void accumulate_cross_of_rows(MatrixView p, MatrixView w, MatrixView target, MatrixView x);

// A = H + damping·I with rows and columns in `order`, from h's lower triangle                           [K·K]
std::vector<double> damped(MatrixView h, std::span<const int> order, double damping);
// S, lower triangular with a positive diagonal, such that Sᵀ·S = H + damping·I in `order`; false if that is not
// positive definite.                                                                                  s [K, K]
bool factorize(MatrixView s, MatrixView h, std::span<const int> order, double damping);
// w += alpha · w · d · (h + damping·I)⁻¹; false, with w untouched, when that is not positive definite   w [N, K]
bool solve_gptaq_target(MatrixView w, MatrixView d, MatrixView h, double damping, double alpha);
// w_n · h · w_nᵀ of each row                                                                             [N]
std::vector<double> row_quadratic_forms(MatrixView w, MatrixView h);

// Algorithm 1 of the paper without blocks, for given scales or grids without a clip search (Clip::kNone). Codes are U8.
void solve_columns(const SolveArgs& args);

void gather_columns(MatrixView to, MatrixView from, std::span<const int> order);
void subtract_columns(MatrixView to, MatrixView from, std::span<const int> order);
// As GptqOps::pack_codes: I32 [K·bits/32, count]
Tensor pack_codes(MatrixView codes, std::span<const int> order, int bits, int64_t first, int64_t count);

}  // namespace gptq::backend::reference
