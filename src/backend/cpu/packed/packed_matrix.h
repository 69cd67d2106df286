// A weight as unsigned codes in tiles of 32 columns, multiplied without being expanded.
#pragma once

#include "backend/cpu/cpu_weight.h"
#include "backend/cpu/packed/input_order.h"

namespace gptq::backend::packed {

class PackedMatrix final : public CpuWeight {
 public:
  // Repacks GPTQ codes; tiles are filled by all threads of the pool.
  PackedMatrix(const PackedWeight& weight, ThreadPool& pool);
  // Rounds a dense weight [N, K] to 8 bits, symmetric, in groups of 128 inputs.
  PackedMatrix(const TensorView& weight, const TensorView* bias, ThreadPool& pool);

  int64_t bytes() const override { return static_cast<int64_t>(codes_.bytes() + scales_.bytes() + zeros_.bytes()); }
  void row(int64_t n, float* out) const override;

  // With fewer inputs the rounding of activations does not average out: products are then those of expanded rows.
  static constexpr int64_t kMinIntegerInputs = 256;

  const InputOrder& order() const { return order_; }
  int64_t tiles() const { return (n_ + kTileColumns - 1) / kTileColumns; }
  // y[:, tile…) = x · Wᵀ without the bias, for tiles [begin, end).
  void multiply(MatrixView y, const Rows& x, int planes, int64_t begin, int64_t end) const;

 private:
  void allocate();
  void fill_codes(int64_t begin, int64_t end, const PackedWeight& weight);  // of tiles
  void fill_parameters(int64_t tile, const PackedWeight& weight);
  void round_row(int64_t n, const float* row);
  int64_t tile_bytes() const { return order_.size() / kBlock * bits_ * kTileLine; }
  Tile tile(int64_t index, int planes) const;

  int bits_;
  int64_t groups_;
  InputOrder order_;
  Tensor codes_;   // U8  [tiles, K' / 32, bits, 32, 4]; the layout is that of kernels.h
  Tensor scales_;  // F16 [tiles, G, 32]
  Tensor zeros_;   // U8  [tiles, G, 32]
};

}  // namespace gptq::backend::packed
