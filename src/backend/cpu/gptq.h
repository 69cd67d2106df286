// The GPTQ operations (backend/gptq_ops.h) on the CPU.
#pragma once

#include <span>
#include <vector>

#include "backend/backend.h"
#include "core/threads.h"

namespace gptq::backend::cpu_gptq {

int64_t scratch_bytes(GptqOp op, int64_t n, int64_t k);
void accumulate_hessian(MatrixView h, MatrixView x, ThreadPool& pool);
void accumulate_cross(MatrixView d, MatrixView target, MatrixView x, ThreadPool& pool);
void accumulate_cross_of_rows(MatrixView p, MatrixView w, MatrixView target, MatrixView x, ThreadPool& pool);
void load(MatrixView to, const TensorView& from, ThreadPool& pool);
void gather_columns(MatrixView to, MatrixView from, std::span<const int> order, ThreadPool& pool);
void subtract_columns(MatrixView to, MatrixView from, std::span<const int> order, ThreadPool& pool);
bool factorize(MatrixView s, MatrixView h, std::span<const int> order, float damping, bool precise, ThreadPool& pool);
bool solve_gptaq_target(MatrixView w, MatrixView d, MatrixView h, float damping, float alpha, ThreadPool& pool);
void solve_columns(const SolveArgs& args, ThreadPool& pool);
std::vector<double> row_quadratic_forms(MatrixView w, MatrixView h, ThreadPool& pool);
Tensor pack_codes(MatrixView codes, std::span<const int> order, int bits, int64_t first, int64_t count,
                  ThreadPool& pool);

}  // namespace gptq::backend::cpu_gptq
