// The operations of GPTQ, in F32. Hessians are symmetric [K, K] matrices of which only the lower triangle is stored.
// Reference implementations: cpu/reference_gptq.h.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/grid.h"
#include "backend/matrix.h"
#include "core/tensor.h"

namespace gptq::backend {

// The GPTQ column loop over all columns of N rows (Frantar et al., arXiv 2210.17323, algorithm 1). Columns are in
// processing order; those of one group are contiguous, except with given scales. N is a multiple of 32.
//
// The paper's factor U, upper triangular with (H + damping)⁻¹ = Uᵀ·U, is S⁻ᵀ for the factor S of `factorize`.
struct SolveArgs {
  MatrixView weights;              // [N, K]  in, out: replaced by the dequantized values
  MatrixView factor;               // [K, K]  S, lower triangular, H + damping = Sᵀ·S
  std::span<const int32_t> group;  // [K]     group of each column
  GridSpec grid;
  bool given_scales = false;  // `scales` and `zeros` are inputs
  MatrixView scales;          // [G, N]  exactly representable in fp16
  MatrixView zeros;           // [G, N]  integers
  MatrixView codes;           // [K, N]  U8, out
};

// Operations that need scratch memory: row_quadratic_forms; factorize and solve_columns; solve_gptaq_target.
enum class GptqOp { kRowQuadraticForms, kSolveColumns, kGptaqTarget };

class GptqOps {
 public:
  virtual ~GptqOps() = default;
  // Maximum bytes of scratch memory of an operation on N rows of K columns.
  virtual int64_t scratch_bytes(GptqOp op, int64_t n, int64_t k) const = 0;
  virtual void load(MatrixView to, const TensorView& from) = 0;  // a stored F32, F16, BF16 or F64 matrix
  // to[:, j] = from[:, order[j]]                                                                     [N, K]
  virtual void gather_columns(MatrixView to, MatrixView from, std::span<const int> order) = 0;
  // to[:, order[j]] −= from[:, j]                                                                    [N, K]
  virtual void subtract_columns(MatrixView to, MatrixView from, std::span<const int> order) = 0;
  // x and target [T, K] have the activations' type
  virtual void accumulate_hessian(MatrixView h, MatrixView x) = 0;                   // h += xᵀ·x              [K, K]
  virtual void accumulate_cross(MatrixView d, MatrixView target, MatrixView x) = 0;  // d += (target − x)ᵀ·x   [K, K]
  // p += w · (target − x)ᵀ·x, the product of w [N, K] with what accumulate_cross adds; less work for 2·N < K. Only with
  // Capabilities::cross_of_rows.                                                                     [N, K]
  virtual void accumulate_cross_of_rows(MatrixView /*p*/, MatrixView /*w*/, MatrixView /*target*/, MatrixView /*x*/) {
    CHECK(false);
  }
  virtual std::vector<float> diagonal(MatrixView h) = 0;  // [K]
  // S, lower triangular with a positive diagonal and zeros above it, such that Sᵀ·S = H + damping·I with rows and
  // columns in `order`; false if that is not positive definite. `precise` factorises in double precision.
  virtual bool factorize(MatrixView s, MatrixView h, std::span<const int> order, float damping, bool precise) = 0;
  // w += alpha · w · d · (h + damping·I)⁻¹; d is overwritten. False, with w and d untouched, when h + damping·I is
  // not positive definite. GPTAQ's target (Li et al., arXiv 2504.02692). With Capabilities::cross_of_rows and N < K, d
  // may be the product w·d [N, K].
  virtual bool solve_gptaq_target(MatrixView w, MatrixView d, MatrixView h, float damping,
                                  float alpha) = 0;  // w [N, K]
  virtual void solve_columns(const SolveArgs& args) = 0;
  // w_n · h · w_nᵀ of each row                                                                       [N]
  virtual std::vector<double> row_quadratic_forms(MatrixView w, MatrixView h) = 0;
  // Columns [first, first + count) of U8 codes [K, N] as a packed weight's I32 [K·bits/32, count]; row j of `codes`
  // is input order[j] (core/packed_weight.h).
  virtual Tensor pack_codes(MatrixView codes, std::span<const int> order, int bits, int64_t first, int64_t count) = 0;
};

}  // namespace gptq::backend
