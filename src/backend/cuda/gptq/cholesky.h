// Cholesky factors on the GPU, for positive definite matrices of any size.
#pragma once

#include "backend/cuda/device/context.h"
#include "backend/matrix.h"

namespace gptq::backend::cuda {

inline constexpr int64_t kCholeskyBlock = 64;

// The lower triangle of a symmetric matrix A [K, K], F32 or F64, is replaced by S, lower triangular with A = Sᵀ·S.
// Elements above the diagonal are neither read nor preserved. `inverses`, in a's type [⌈K/64⌉, 64, 64], receives the
// inverses of the diagonal blocks of S, padded by the identity. `failed` is set to 1 if a pivot is not a positive
// number: a is not positive definite, or has NaN or infinity in its lower triangle.
void cholesky(Context& context, MatrixView a, const Buffer& inverses, int* failed);

}  // namespace gptq::backend::cuda
