// The GPTQ operations (backend/gptq_ops.h) on a GPU. Matrices are in device memory; work is queued on the context's
// stream, and only functions that return values to the host wait for it.
#pragma once

#include <span>
#include <vector>

#include "backend/backend.h"
#include "backend/cuda/device/context.h"

namespace gptq::backend::cuda {

void clear(Context& context, MatrixView x);
void copy_matrix(Context& context, MatrixView to, MatrixView from);  // F32
void load(Context& context, MatrixView to, const TensorView& from);
void gather_columns(Context& context, MatrixView to, MatrixView from, std::span<const int> order);
void subtract_columns(Context& context, MatrixView to, MatrixView from, std::span<const int> order);
void accumulate_hessian(Context& context, MatrixView h, MatrixView x);                   // x F16 or BF16
void accumulate_cross(Context& context, MatrixView d, MatrixView target, MatrixView x);  // target, x F16 or BF16
std::vector<float> diagonal(Context& context, MatrixView h);
bool factorize(Context& context, MatrixView s, MatrixView h, std::span<const int> order, float damping, bool precise);
bool solve_gptaq_target(Context& context, MatrixView w, MatrixView d, MatrixView h, float damping, float alpha);
void solve_columns(Context& context, const SolveArgs& args);
std::vector<double> row_quadratic_forms(Context& context, MatrixView w, MatrixView h);
Tensor pack_codes(Context& context, MatrixView codes, std::span<const int> order, int bits, int64_t first,
                  int64_t count);

}  // namespace gptq::backend::cuda
