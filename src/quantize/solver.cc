// GPTQ in the paper's order (Frantar et al., arXiv 2210.17323): Hessian → damping → order → Cholesky factor →
// columns one by one, each error distributed over the remaining columns.
//
// What differs from the paper, and why:
//   scales    are rounded to fp16 before they are used, so that the error fed back is that of the stored scales
//   clipping  is chosen by the loss of the column loop itself (backend/grid.h)
//   order     by activation inside groups and between groups, so that the columns of a group stay contiguous
//   target    the original model's outputs (GPTAQ), not W applied to inputs that already contain error
#include "quantize/solver.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/group_size.h"

namespace gptq::quantization {

using backend::Backend;
using backend::Clip;
using backend::Matrix;
using backend::MatrixView;
using backend::SolveArgs;

namespace {

constexpr int kDampingDoublings = 6;  // damp, 2·damp … 64·damp, then once more in double precision

double mean(std::span<const float> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// s = a diagonal matrix: the factor of a Hessian without correlations, with which no error is fed back.
void set_diagonal(MatrixView s, std::span<const float> values, Backend& backend) {
  backend.clear(s);
  backend.upload(s.diagonal(), values);
}

// S of H + λI = Sᵀ·S in processing order. If no factorisation succeeds, S is the identity, with which the column loop
// rounds to nearest.
void factorize(const SolveProblem& problem, double average, MatrixView s, SolveResult& solution, Backend& backend) {
  solution.damp = problem.damp;
  solution.method = "gptq";
  for (int i = 0; i <= kDampingDoublings; ++i, solution.damp *= 2) {
    const float lambda = static_cast<float>(solution.damp * average);
    if (backend.factorize(s, problem.hessian.view(), solution.order, lambda, false)) return;
  }
  solution.method = "gptq (double precision)";
  solution.damp /= 2;
  const float lambda = static_cast<float>(solution.damp * average);
  if (backend.factorize(s, problem.hessian.view(), solution.order, lambda, true)) return;
  solution.method = "rtn";
  solution.damp = 0;
  set_diagonal(s, std::vector<float>(static_cast<size_t>(s.rows), 1.0f), backend);
}

// Replaces W by GPTAQ's target W' = W + α·W·C·(H + λI)⁻¹, the best linear map from the quantized model's inputs to the
// original model's outputs. If no damping makes H invertible the target remains W; the factorisation then fails too.
void solve_gptaq_target(const SolveProblem& problem, Backend& backend) {
  const MatrixView cross = problem.gptaq->cross.view(), hessian = problem.gptaq->hessian.view();
  const double average = mean(backend.diagonal(hessian));
  const float strength = static_cast<float>(problem.gptaq_strength);
  double damp = problem.damp;
  for (int i = 0; i <= kDampingDoublings; ++i, damp *= 2) {
    const float lambda = static_cast<float>(damp * average);
    if (backend.solve_gptaq_target(problem.weights.view(), cross, hessian, lambda, strength)) return;
  }
}

// Applies GPTAQ's target and frees its matrices; meanwhile the Hessian is in host memory if the plan says so.
void apply_gptaq_target(SolveProblem& problem, Backend& backend) {
  const int64_t k = problem.hessian.cols();
  const MatrixView host = problem.hessian_on_host;
  if (host.data != nullptr) {
    backend.store(host, problem.hessian.view());
    problem.hessian = {};
  }
  solve_gptaq_target(problem, backend);
  problem.gptaq.reset();
  if (host.data == nullptr) return;
  problem.hessian = backend.allocate(DType::kF32, k, k);
  backend.fetch(problem.hessian.view(), host);
  backend.await_fetches();
}

backend::GridSpec grid_spec(const SolveProblem& problem) {
  const Clip clip = problem.grid.clip == "none"  ? Clip::kNone
                    : problem.grid.clip == "mse" ? Clip::kMse
                                                 : Clip::kHessian;
  return {problem.grid.bits, problem.grid.sym, clip, problem.grid.sym ? 0 : problem.lowest_zero};
}

// Static groups: scales from the weights before any feedback, by the same loop with a diagonal factor.
void find_static_scales(const SolveProblem& problem, int64_t group_size, std::span<const float> diagonal,
                        double average, const SolveArgs& solve, Backend& backend) {
  const int64_t n = problem.weights.rows(), k = problem.weights.cols();
  std::vector<float> factor;
  std::vector<int32_t> group;
  for (int64_t j = 0; j < k; ++j) {
    const double h = diagonal[static_cast<size_t>(j)] + problem.damp * average;
    factor.push_back(h > 0 ? static_cast<float>(std::sqrt(h)) : 1.0f);
    group.push_back(static_cast<int32_t>(j / group_size));
  }
  const Matrix w = backend.allocate(DType::kF32, n, k), s = backend.allocate(DType::kF32, k, k);
  backend.copy(w.view(), problem.weights.view());
  set_diagonal(s.view(), factor, backend);
  SolveArgs args = solve;
  args.weights = w.view();
  args.factor = s.view();
  args.group = group;
  backend.solve_columns(args);
}

}  // namespace

std::vector<int> column_order(const GridOptions& grid, int64_t group_size, std::span<const float> diagonal) {
  std::vector<int> order(diagonal.size());
  std::iota(order.begin(), order.end(), 0);
  const auto larger = [&](int a, int b) { return diagonal[static_cast<size_t>(a)] > diagonal[static_cast<size_t>(b)]; };
  if (grid.desc_act) {
    std::stable_sort(order.begin(), order.end(), larger);
  } else if (grid.group_aware) {
    // Columns by activation inside each group, whole groups by their largest; a short last group stays last.
    const auto size = static_cast<std::ptrdiff_t>(group_size);
    std::vector<std::vector<int>> groups;
    for (auto begin = order.begin(); begin < order.end(); begin += std::min(size, order.end() - begin)) {
      groups.emplace_back(begin, begin + std::min(size, order.end() - begin));
      std::stable_sort(groups.back().begin(), groups.back().end(), larger);
    }
    const bool short_last = diagonal.size() % static_cast<size_t>(group_size) != 0;
    std::stable_sort(groups.begin(), groups.end() - (short_last ? 1 : 0),
                     [&](const auto& a, const auto& b) { return larger(a[0], b[0]); });
    order.clear();
    for (const auto& group : groups) order.insert(order.end(), group.begin(), group.end());
  }
  return order;
}

SolveResult solve_linear_set(SolveProblem problem, Backend& backend) {
  const int64_t n = problem.weights.rows(), k = problem.weights.cols();
  SolveResult s;
  s.rows = n;
  s.columns = k;
  s.bits = problem.grid.bits;
  s.group_size = GroupSize(problem.grid.group_size).columns(k);
  s.groups = GroupSize(problem.grid.group_size).groups(k);

  // Columns whose inputs are always 0 have H_kk = 0; damping makes them well-defined, and they are rounded to nearest.
  const std::vector<float> diagonal = backend.diagonal(problem.hessian.view());
  const double average = mean(diagonal);

  s.energy = backend.row_quadratic_forms(problem.weights.view(), problem.hessian.view());
  if (problem.gptaq) apply_gptaq_target(problem, backend);

  s.order = column_order(problem.grid, s.group_size, diagonal);
  const bool scattered = problem.grid.desc_act && !problem.grid.static_groups;
  std::vector<int32_t> group(static_cast<size_t>(k));  // of each column in processing order
  s.g_idx.resize(static_cast<size_t>(k));
  for (int64_t j = 0; j < k; ++j) {
    const int64_t column = s.order[static_cast<size_t>(j)];
    group[static_cast<size_t>(j)] = static_cast<int32_t>((scattered ? j : column) / s.group_size);
    s.g_idx[static_cast<size_t>(column)] = group[static_cast<size_t>(j)];
  }

  s.codes = backend.allocate(DType::kU8, k, n);
  const Matrix scales = backend.allocate(DType::kF32, s.groups, n), zeros = backend.allocate(DType::kF32, s.groups, n);
  backend.clear(scales.view());
  backend.clear(zeros.view());
  SolveArgs args;
  args.group = group;
  args.grid = grid_spec(problem);
  args.scales = scales.view();
  args.zeros = zeros.view();
  args.codes = s.codes.view();
  if (problem.grid.static_groups) {
    find_static_scales(problem, s.group_size, diagonal, average, args, backend);
    args.given_scales = true;
  }
  Matrix w = backend.allocate(DType::kF32, n, k), factor = backend.allocate(DType::kF32, k, k);
  backend.gather_columns(w.view(), problem.weights.view(), s.order);
  factorize(problem, average, factor.view(), s, backend);
  args.weights = w.view();
  args.factor = factor.view();
  backend.solve_columns(args);

  s.scales = backend.download(scales.view());
  s.zeros = backend.download(zeros.view());
  backend.subtract_columns(problem.weights.view(), w.view(),
                           s.order);  // the target minus the result
  s.error = backend.row_quadratic_forms(problem.weights.view(), problem.hessian.view());
  if (problem.held_hessian.data == nullptr) return s;
  w = {};
  factor = {};
  backend.fetch(problem.hessian.view(), problem.held_hessian);
  backend.await_fetches();
  s.held_error = backend.row_quadratic_forms(problem.weights.view(), problem.hessian.view());
  return s;
}

}  // namespace gptq::quantization
