// Packed weights on the GPU: tiles for the tensor cores, and their conversion from the checkpoint's layout.
//
// Inputs are sorted by group at load (act-order), so that kernels do not need g_idx; position p of the sorted order is
// input order[p]. A tile is 16 outputs × 64 positions, 128·bits bytes; tiles are consecutive along the positions.
// In the product's step s (16 positions), lane l holds, with r = l / 4 and c = 2·(l % 4), the codes of its operand
//   f = 0  (r, c..c+1)    f = 1  (r+8, c..c+1)    f = 2  (r, c+8..c+9)    f = 3  (r+8, c+8..c+9)
// as two halves h, in `bits` words w of 32 bits:
//   4 bits  w[s]              bit 4·f + 16·h
//   2 bits  w[s / 2]          bit 8·(s % 2) + 2·f + 16·h
//   3 bits  the two low bits as 2 bits, and the high one in w[2], bit 4·s + f + 16·h
//   8 bits  w[2·s + f / 2]    bit 8·(f % 2) + 16·h
#pragma once

#include <cstdint>

#include "backend/backend.h"
#include "backend/cuda/device/context.h"
#include "core/packed_weight.h"

namespace gptq::backend::cuda {

inline constexpr int kTileRows = 16;       // outputs
inline constexpr int kTilePositions = 64;  // inputs
inline constexpr int kSpareGroups = 4;     // after each row of scales: a tile may read this many from its first group

struct PackedView {
  const uint32_t* codes = nullptr;  // [N/16, tiles, 32·bits]
  const uint32_t* scales =
      nullptr;  // [N/16, groups + kSpareGroups, 8·(sym ? 1 : 2)]: fp16 scales of rows r and r+8, then their zeros
  const uint16_t* inverse_perm = nullptr;  // [K] position of each input; null: natural order
  const uint16_t* perm = nullptr;          // [K] input at each position; null with `inverse_perm`
  int bits = 4;
  bool sym = true;
  int64_t n = 0, k = 0, tiles = 0;
  int group_steps = 0;  // steps of 16 positions in a group
  int groups = 0;
};

// A linear on the GPU: packed, or dense rows of 16-bit elements.
class CudaWeight final : public Weight {
 public:
  int64_t in_features() const override { return k; }
  int64_t out_features() const override { return n; }
  int64_t bytes() const override { return static_cast<int64_t>(codes.bytes() + scales.bytes()); }

  bool is_packed() const { return packed.codes != nullptr; }
  const float* bias() const { return bias_values.as<float>(); }  // [N] or null
  MatrixView dense() const { return {dtype, codes.as<std::byte>(), n, k, k}; }

  int64_t n = 0, k = 0;
  DType dtype = DType::kBF16;  // of dense elements and of products
  uint64_t order_hash = 0;     // of the inputs' order; 0: natural
  PackedView packed;
  Buffer codes, scales, inverse_perm, bias_values;
};

std::unique_ptr<CudaWeight> make_dense_weight(Context& context, DType dtype, const TensorView& weight,
                                              const TensorView* bias);
// Weights with groups of unequal sizes, or of sizes that are not multiples of 16, are stored dense.
std::unique_ptr<CudaWeight> make_packed_weight(Context& context, DType dtype, const PackedWeight& weight);

// The dense matrix, inputs in their natural order or, with `sorted`, in the order of positions.      to T [N, K]
void dequantize(Context& context, MatrixView to, const PackedView& weight, bool sorted);
// y = x · weightᵀ + bias, by cuBLAS      y [M, N] T or F32   x T [M, K]   weight T [N, K]   bias [N], may be null
void dense_linear(Context& context, MatrixView y, MatrixView x, MatrixView weight, const float* bias);
// to[:, p] = from[:, inputs[p]] for 16-bit elements                                                    [M, K]
void sort_inputs(Context& context, MatrixView to, MatrixView from, const uint16_t* inputs);

}  // namespace gptq::backend::cuda
