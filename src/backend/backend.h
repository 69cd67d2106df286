// Everything a device must know how to do: the only seam between the model and the metal.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <gptq/device.h>

#include "backend/decode_runner.h"
#include "backend/grid.h"
#include "backend/matrix.h"
#include "core/packed_weight.h"
#include "core/tensor.h"

namespace gptq {

// A linear or embedding weight in the device's private layout. Opaque: the model never asks what is inside.
class Weight {
 public:
  virtual ~Weight() = default;
  virtual int64_t in_features() const = 0;   // K
  virtual int64_t out_features() const = 0;  // N
  virtual int64_t bytes() const = 0;         // read for one row of input
};

// Causal attention of T new positions in each of S sequences. Query i sits at position past + i.
struct AttentionArgs {
  MatrixView q;                      // [S·T, H·D]
  MatrixView keys, values;           // [S·(past + T), Hkv·D] sequence after sequence; with pages the rows they name
  const PageTable* pages = nullptr;  // S rows
  int64_t sequences = 1;             // S
  int64_t past = 0;                  // positions in front of each sequence's first query
  int heads = 0;                     // H
  int kv_heads = 0;                  // Hkv, divides H; query head h reads key head h / (H / Hkv)
  int head_dim = 0;                  // D
  float scale = 1.0f;                // multiplies the scores
  int64_t window = 0;                // query at p sees key j when p − window < j ≤ p; 0 = all j ≤ p
};

// The GPTQ column loop over all columns of N rows (paper: algorithm 1). Columns are in processing order; those of
// one group follow each other, except with given scales. N is a multiple of 32.
//
// The paper's factor U, upper triangular with (H + damping)⁻¹ = Uᵀ·U, is S⁻ᵀ for the factor S of `factorize`.
struct SolveArgs {
  MatrixView weights;              // [N, K]  on return the dequantized values
  MatrixView factor;               // [K, K]  S, lower triangular, H + damping = Sᵀ·S
  std::span<const int32_t> group;  // [K]     group of each column
  GridSpec grid;
  bool given_scales = false;  // `scales` and `zeros` are inputs
  MatrixView scales;          // [G, N]  values that fp16 holds exactly
  MatrixView zeros;           // [G, N]  integers
  MatrixView codes;           // [K, N]  U8, out
};

struct DeviceMemory {
  int64_t available = 0;  // bytes that may still be allocated; INT64_MAX where nobody counts (CPU)
  int64_t peak = 0;       // bytes of the device that the backend has held at most, the driver's included; 0 on a CPU
};

// Operations of one backend run in the order they were called. Linears, attention and what lies between them work
// on matrices of `activation_dtype()`; the residual stream, norms, logits and all of GPTQ are F32.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual Device device() const = 0;
  virtual DType activation_dtype() const = 0;  // F32, BF16 or F16
  virtual int64_t batch_rows() const = 0;      // rows from which `linear` runs at full rate
  virtual void synchronize() = 0;              // returns when all operations and transfers called so far are done

  // ---- memory. A matrix may be freed at any time: its memory is used again when what was called before is done.
  virtual DeviceMemory memory() = 0;
  virtual Matrix allocate(DType dtype, int64_t rows, int64_t cols) = 0;   // not cleared; codes are U8
  virtual void upload(MatrixView to, std::span<const float> from) = 0;    // [rows · cols], rounded to to.dtype
  virtual void upload(MatrixView to, std::span<const int32_t> from) = 0;  // I32 [rows · cols]
  virtual std::vector<float> download(MatrixView from) = 0;               // [rows · cols]
  virtual void copy(MatrixView to, MatrixView from) = 0;                  // same type, rows and cols

  // ---- matrices that wait in host memory. Only `fetch` and `store` take them; both matrices of a transfer have the
  // same type and shape and are contiguous. Transfers run beside the operations:
  //   fetch          begins when the operations and stores called before it are done
  //   store          begins when the operations called before it are done
  //   await_fetches  operations called after it begin when the fetches called before it are done
  // A device matrix that is being stored may be overwritten by nothing but a fetch.
  virtual Matrix allocate_host(DType dtype, int64_t rows, int64_t cols) = 0;
  virtual void fetch(MatrixView to, MatrixView host) = 0;
  virtual void store(MatrixView host, MatrixView from) = 0;
  virtual void await_fetches() = 0;

  // Rows of one sequence into a cache, from position `past` on.   cache [.., C]   rows [T, C]   pages of one sequence
  virtual void append(MatrixView cache, MatrixView rows, const PageTable& pages, int64_t past) = 0;

  // ---- weights: from the stored form to the device's own, once, at load
  virtual std::unique_ptr<Weight> load_weight(const TensorView& weight, const TensorView* bias) = 0;  // [N, K], [N]
  virtual std::unique_ptr<Weight> load_weight(const PackedWeight& weight) = 0;

  // ---- the model
  virtual void embed(MatrixView out, std::span<const int> ids, const Weight& table) = 0;  // F32 [T, E], [T], [V, E]
  // out = x / rms(x) · weight over each run of weight.cols elements of a row.
  // out [T, n·len(weight)]   x the same, F32 or activations   weight F32 [1, len]
  virtual void rms_norm(MatrixView out, MatrixView x, MatrixView weight, float eps) = 0;
  // y = x · Wᵀ + bias for weights that share an input, side by side      y [M, ΣN] activations or F32   x [M, K]
  virtual void linear(MatrixView y, MatrixView x, std::span<const Weight* const> weights) = 0;
  // Rotates element i with element i + d/2 of each head by angle i of angle row t mod A.
  // x [T, n·D]   cos, sin F32 [A, D/2]
  virtual void rope(MatrixView x, int head_dim, MatrixView cos, MatrixView sin) = 0;
  virtual void attention(MatrixView out, const AttentionArgs& args) = 0;  // out [S·T, H·D]
  virtual void silu_multiply(MatrixView out, MatrixView gate_up) = 0;     // out [T, I] = silu(gate) · up   [T, 2·I]
  virtual void add(MatrixView x, MatrixView y) = 0;                       // x += y          x F32 [T, E]   y [T, E]
  // −log softmax(logits)[target] of each row                          logits F32 [T, V]   targets [T]
  virtual std::vector<float> cross_entropy(MatrixView logits, std::span<const int> targets) = 0;
  // found, F32 [1, 1], becomes 1 when x holds NaN or infinity; otherwise it stays as it is
  virtual void find_non_finite(MatrixView found, MatrixView x) = 0;
  virtual bool all_finite(const TensorView& stored) = 0;  // F32, F16 or BF16 in host memory
  // One token of a whole model in as few launches as the device allows; null where `model` needs the operations
  // above one by one.
  virtual std::unique_ptr<DecodeRunner> make_decode_runner(const StepModel& model) = 0;

  // ---- GPTQ, in F32. Hessians are symmetric [K, K] matrices of which only the lower triangle is kept.
  virtual void clear(MatrixView x) = 0;
  virtual void load(MatrixView to, const TensorView& from) = 0;  // a stored F32, F16, BF16 or F64 matrix
  // to[:, j] = from[:, order[j]]                                                                     [N, K]
  virtual void gather_columns(MatrixView to, MatrixView from, std::span<const int> order) = 0;
  // to[:, order[j]] −= from[:, j]                                                                    [N, K]
  virtual void subtract_columns(MatrixView to, MatrixView from, std::span<const int> order) = 0;
  // x [T, K] has `activation_dtype()`
  virtual void accumulate_hessian(MatrixView h, MatrixView x) = 0;                   // h += xᵀ·x         x [T, K]
  virtual void accumulate_cross(MatrixView d, MatrixView target, MatrixView x) = 0;  // d += (target − x)ᵀ·x  [K, K]
  virtual std::vector<float> diagonal(MatrixView h) = 0;                             // [K]
  // S, lower triangular with a positive diagonal and zeros above it, such that Sᵀ·S = H + damping·I with rows and
  // columns taken in `order`; false when that is not positive definite. `precise` factorises in double precision.
  virtual bool factorize(MatrixView s, MatrixView h, std::span<const int> order, float damping, bool precise) = 0;
  // w += alpha · w · d · (h + damping·I)⁻¹; d is overwritten. False, with w and d untouched, when h + damping·I is
  // not positive definite.
  virtual bool solve_gptaq_target(MatrixView w, MatrixView d, MatrixView h, float damping,
                                  float alpha) = 0;  // w [N, K]
  virtual void solve_columns(const SolveArgs& args) = 0;
  // w_n · h · w_nᵀ of each row                                                                       [N]
  virtual std::vector<double> row_quadratic_forms(MatrixView w, MatrixView h) = 0;
  // Columns [first, first + count) of U8 codes [K, N] as a packed weight's I32 [K·bits/32, count]; row j of `codes`
  // is input order[j] (core/packed_weight.h).
  virtual Tensor pack_codes(MatrixView codes, std::span<const int> order, int bits, int64_t first, int64_t count) = 0;
};

// `activations` is the type a GPU computes in, BF16 or F16; the CPU uses F32. Throws Error(kUsage) for a device that
// this build or this machine does not have.
std::unique_ptr<Backend> make_backend(const ComputeOptions& options, DType activations = DType::kBF16);

}  // namespace gptq
