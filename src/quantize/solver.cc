// GPTQ in the paper's order (Frantar et al., arXiv 2210.17323): Hessian → damping → order → Cholesky factor →
// columns one by one, each error spread over the columns still to come.
//
// What differs from the paper, and why:
//   scales    are rounded to fp16 before they are used, so that the error fed back is the error that is stored
//   clipping  is chosen by the loss of the column loop itself (backend/grid.h)
//   order     by activation inside groups and between groups, which keeps files free of scattered groups
//   target    the original model's outputs (GPTAQ), not W applied to inputs that already carry error
#include "quantize/solver.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace gptq {

namespace {

constexpr int kDampingDoublings = 6;  // damp, 2·damp … 64·damp, then once more in double precision

double mean(std::span<const float> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// U of (H + λI)⁻¹ = Uᵀ·U in processing order, or the identity when nothing factorises: then errors stay where
// they are and the column loop rounds to nearest.
void factorize(const GroupProblem& problem, std::span<const int> order, double average, MatrixView u,
               GroupSolution& solution, Backend& backend) {
  solution.damp = problem.damp;
  solution.method = "gptq";
  for (int i = 0; i <= kDampingDoublings; ++i, solution.damp *= 2) {
    const float lambda = static_cast<float>(solution.damp * average);
    if (backend.factorize(u, problem.hessian, order, lambda, false)) return;
  }
  solution.method = "gptq (double precision)";
  solution.damp /= 2;
  if (backend.factorize(u, problem.hessian, order, static_cast<float>(solution.damp * average), true)) return;
  solution.method = "rtn";
  solution.damp = 0;
  std::vector<float> identity(static_cast<size_t>(u.rows * u.cols));
  for (int64_t i = 0; i < u.rows; ++i) identity[static_cast<size_t>(i * u.cols + i)] = 1.0f;
  backend.upload(u, identity);
}

// W with its columns gathered in `order`                                                            [N, K]
Matrix ordered(std::span<const float> weights, int64_t rows, std::span<const int> order, Backend& backend) {
  const int64_t columns = static_cast<int64_t>(order.size());
  std::vector<float> gathered(weights.size());
  for (int64_t n = 0; n < rows; ++n) {
    for (int64_t j = 0; j < columns; ++j) {
      gathered[static_cast<size_t>(n * columns + j)] =
          weights[static_cast<size_t>(n * columns + order[static_cast<size_t>(j)])];
    }
  }
  Matrix matrix = backend.allocate(DType::kF32, rows, columns);
  backend.upload(matrix.view(), gathered);
  return matrix;
}

// GPTAQ's target W' = W + α·W·C·(H + λI)⁻¹: the best linear map from the inputs there are to the outputs wanted.
// Where no damping makes H invertible the target stays W; the factorisation will then fail too and be reported.
std::vector<float> regress(const GroupProblem& problem, Backend& backend) {
  const GptaqTerms& terms = *problem.gptaq;
  const Matrix w = backend.allocate(DType::kF32, problem.rows, terms.hessian.rows);
  backend.upload(w.view(), problem.weights);
  const double average = mean(backend.diagonal(terms.hessian));
  const float strength = static_cast<float>(problem.gptaq_strength);
  double damp = problem.damp;
  for (int i = 0; i <= kDampingDoublings; ++i, damp *= 2) {
    const float lambda = static_cast<float>(damp * average);
    if (backend.regress(w.view(), terms.cross, terms.hessian, lambda, strength)) break;
  }
  return backend.download(w.view());
}

GridSpec grid_spec(const GroupProblem& problem) {
  const Clip clip = problem.grid.clip == "none"  ? Clip::kNone
                    : problem.grid.clip == "mse" ? Clip::kMse
                                                 : Clip::kHessian;
  return {problem.grid.bits, problem.grid.sym, clip, problem.grid.sym ? 0 : problem.lowest_zero};
}

// Static groups: scales from the weights before any feedback. A diagonal factor makes the same loop do just that.
void find_static_scales(const GroupProblem& problem, std::span<const float> weights, std::span<const float> diagonal,
                        double average, const SolveArgs& solve, Backend& backend) {
  const int64_t columns = problem.hessian.rows;
  std::vector<int> natural(static_cast<size_t>(columns));
  std::iota(natural.begin(), natural.end(), 0);
  std::vector<float> factor(static_cast<size_t>(columns * columns));
  for (int64_t j = 0; j < columns; ++j) {
    const double h = diagonal[static_cast<size_t>(j)] + problem.damp * average;
    factor[static_cast<size_t>(j * columns + j)] = h > 0 ? static_cast<float>(1.0 / std::sqrt(h)) : 1.0f;
  }
  std::vector<int32_t> group(static_cast<size_t>(columns));
  const int64_t size = problem.grid.group_size < 0 ? columns : problem.grid.group_size;
  for (int64_t j = 0; j < columns; ++j) group[static_cast<size_t>(j)] = static_cast<int32_t>(j / size);
  const Matrix w = ordered(weights, problem.rows, natural, backend), u = backend.allocate(DType::kF32, columns, columns);
  backend.upload(u.view(), factor);
  SolveArgs args = solve;
  args.weights = w.view();
  args.factor = u.view();
  args.group = group;
  backend.solve_columns(args);
}

// e·H·eᵀ and w·H·wᵀ of every row, with e what is left between the target and the result.
void measure(const GroupProblem& problem, std::span<const float> target, GroupSolution& s, Backend& backend) {
  const auto natural = [&](auto&& value) {
    std::vector<float> values(target.size());
    for (int64_t n = 0; n < s.rows; ++n) {
      for (int64_t k = 0; k < s.columns; ++k) values[static_cast<size_t>(n * s.columns + k)] = value(n, k);
    }
    Matrix matrix = backend.allocate(DType::kF32, s.rows, s.columns);
    backend.upload(matrix.view(), values);
    return backend.quadratic(matrix.view(), problem.hessian);
  };
  s.energy = natural([&](int64_t n, int64_t k) { return problem.weights[static_cast<size_t>(n * s.columns + k)]; });
  s.error = natural([&](int64_t n, int64_t k) {
    const size_t at = static_cast<size_t>(s.g_idx[static_cast<size_t>(k)] * s.rows + n);
    const float code = static_cast<float>(s.codes[static_cast<size_t>(k * s.rows + n)]);
    return target[static_cast<size_t>(n * s.columns + k)] - s.scales[at] * (code - s.zeros[at]);
  });
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

GroupSolution solve_group(const GroupProblem& problem, Backend& backend) {
  const int64_t n = problem.rows, k = problem.hessian.rows;
  const int64_t group_size = problem.grid.group_size < 0 ? k : problem.grid.group_size;
  GroupSolution s;
  s.rows = n;
  s.columns = k;
  s.groups = (k + group_size - 1) / group_size;

  // Columns the calibration never excited have H_kk = 0; damping alone makes them well-defined, and they are
  // rounded to nearest.
  const std::vector<float> diagonal = backend.diagonal(problem.hessian);
  const double average = mean(diagonal);

  std::vector<float> target(problem.weights.begin(), problem.weights.end());
  if (problem.gptaq) target = regress(problem, backend);

  const std::vector<int> order = column_order(problem.grid, group_size, diagonal);
  const bool scattered = problem.grid.desc_act && !problem.grid.static_groups;
  std::vector<int32_t> group(static_cast<size_t>(k));  // of each column in processing order
  s.g_idx.resize(static_cast<size_t>(k));
  for (int64_t j = 0; j < k; ++j) {
    const int64_t column = order[static_cast<size_t>(j)];
    group[static_cast<size_t>(j)] = static_cast<int32_t>((scattered ? j : column) / group_size);
    s.g_idx[static_cast<size_t>(column)] = group[static_cast<size_t>(j)];
  }

  const Matrix u = backend.allocate(DType::kF32, k, k), w = ordered(target, n, order, backend);
  const Matrix scales = backend.allocate(DType::kF32, s.groups, n), zeros = backend.allocate(DType::kF32, s.groups, n);
  backend.clear(scales.view());
  backend.clear(zeros.view());
  std::vector<uint8_t> codes(static_cast<size_t>(k * n));  // [K, N] in processing order
  SolveArgs args{w.view(), u.view(), group, grid_spec(problem), false, scales.view(), zeros.view(), codes};
  factorize(problem, order, average, u.view(), s, backend);
  if (problem.grid.static_groups) {
    find_static_scales(problem, target, diagonal, average, args, backend);
    args.given_scales = true;
  }
  backend.solve_columns(args);

  s.scales = backend.download(scales.view());
  s.zeros = backend.download(zeros.view());
  s.codes.resize(codes.size());
  for (int64_t j = 0; j < k; ++j) {
    std::copy_n(codes.begin() + j * n, n, s.codes.begin() + order[static_cast<size_t>(j)] * n);
  }
  measure(problem, target, s, backend);
  return s;
}

}  // namespace gptq
