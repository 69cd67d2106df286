// GPTQ for one linear set: one Hessian, one factorisation, one solve over the stacked rows of its linears.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <gptq/quantize.h>

#include "backend/backend.h"

namespace gptq::quantization {

// GPTAQ's sums over the original model's inputs x° and the inputs x computed by quantized layers.
struct GptaqTerms {
  backend::Matrix cross;    // [K, K]  C = Σ (x° − x)·xᵀ, or the product W·C [N, K]
  backend::Matrix hessian;  // [K, K]  Σ x·xᵀ over the same inputs, lower triangle
};

struct SolveProblem {
  backend::Matrix weights;  // [N, K]  stacked rows of the set's linears; N a multiple of 32
  backend::Matrix hessian;  // [K, K]  Σ x·xᵀ over the calibration inputs, lower triangle
  std::optional<GptaqTerms> gptaq;
  backend::MatrixView
      hessian_on_host;  // [K, K] in host memory, for the Hessian during GPTAQ; without data it stays on the device
  backend::MatrixView held_hessian;  // [K, K] in host memory, of held-out inputs; without data there are none
  double gptaq_strength = 1;
  double damp = 0.01;
  GridOptions grid;
  int lowest_zero = 0;  // 1 for format v1 with asymmetric grids
};

struct SolveResult {
  int64_t rows = 0, columns = 0, groups = 0;  // N, K, G
  int bits = 4;
  int64_t group_size = 0;             // columns per scale; K for one group
  backend::Matrix codes;              // [K, N]  U8, columns of W in processing order
  std::vector<int> order;             // [K]     the column at each position of that order
  std::vector<float> scales, zeros;   // [G, N]
  std::vector<int32_t> g_idx;         // [K]     of the columns in their natural order
  std::vector<double> error, energy;  // [N]  e·H·eᵀ of the target minus the result, w·H·wᵀ of the weights
  std::vector<double> held_error;     // [N]  e·H'·eᵀ with the Hessian H' of held-out inputs, if any
  double damp = 0;
  std::string method;  // "gptq", "gptq (double precision)" or "rtn"
};

// Consumes the problem: its matrices are freed as soon as they are no longer needed.
// Never fails for numerical reasons: damping is increased until the factorisation succeeds, then double precision is
// tried, then the rows are rounded to nearest without feedback; `method` and `damp` record which of these was used.
SolveResult solve_linear_set(SolveProblem problem, backend::Backend& backend);

// Processing order of K columns in groups of `group_size` from the diagonal of H. Equal values keep their order.
std::vector<int> column_order(const GridOptions& grid, int64_t group_size, std::span<const float> diagonal);

}  // namespace gptq::quantization
