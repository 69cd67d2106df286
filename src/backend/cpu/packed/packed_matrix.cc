// Repacking at load time, and the loop over tiles.
#include "backend/cpu/packed/packed_matrix.h"

#include <algorithm>

namespace gptq::backend::packed {

namespace {

// The layout of kernels.h, read in the plain way.
uint32_t code_at(const uint8_t* codes, int64_t position, int64_t column, int bits) {
  const int64_t i = position % kBlock;
  const uint8_t* byte = codes + position / kBlock * bits * kTileLine + column * 4 + i % 4;
  switch (bits) {
    case 2: return byte[i / 16 * kTileLine] >> (2 * (i / 4 % 4)) & 3u;
    case 3: return (byte[i / 16 * kTileLine] >> (2 * (i / 4 % 4)) & 3u) | (byte[2 * kTileLine] >> (i / 4) & 1u) << 2;
    case 4: return byte[i / 8 * kTileLine] >> (4 * (i / 4 % 2)) & 15u;
    default: return byte[i / 4 * kTileLine];
  }
}

}  // namespace

PackedMatrix::PackedMatrix(const PackedWeight& w, ThreadPool& pool)
    : bits_(w.bits), groups_(w.groups()), order_(order_inputs(w.g_idx.values<int32_t>(), w.groups())) {
  k_ = w.in_features;
  n_ = w.out_features;
  CHECK(n_ % kTileColumns == 0 && k_ % kBlock == 0);
  codes_ = Tensor::uninitialized(DType::kU8, {tiles(), tile_bytes()});
  scales_ = Tensor::uninitialized(DType::kF16, {tiles(), groups_, kTileColumns});
  zeros_ = Tensor::uninitialized(DType::kU8, {tiles(), groups_, kTileColumns});
  pool.parallel_for(tiles(), [&](int64_t t) { fill_tile(t, w); });
  if (!w.bias.empty()) bias_.assign(w.bias.values<float>().begin(), w.bias.values<float>().end());
}

void PackedMatrix::fill_tile(int64_t t, const PackedWeight& w) {
  const auto pack = kernels().pack[index_of(bits_)];
  const auto* words = reinterpret_cast<const uint32_t*>(w.qweight.data()) + t * kTileColumns;
  auto* block = reinterpret_cast<uint8_t*>(codes_.data()) + t * tile_bytes();
  for (int64_t i = 0; i < order_.size(); i += kBlock, block += bits_ * kTileLine) {
    pack(block, words, n_, order_.inputs.data() + i);
  }
  const auto half_scales = w.scales.values<Half>();
  const int32_t* qzeros = w.qzeros.values<int32_t>().data();
  for (int64_t g = 0; g < groups_; ++g) {
    const int64_t to = (t * groups_ + g) * kTileColumns;
    std::copy_n(half_scales.data() + g * n_ + t * kTileColumns, kTileColumns, scales_.values<Half>().data() + to);
    for (int64_t c = 0; c < kTileColumns; ++c) {
      zeros_.values<uint8_t>()[static_cast<size_t>(to + c)] =
          static_cast<uint8_t>(unpack_field(qzeros + g * n_ * bits_ / 32, t * kTileColumns + c, bits_));
    }
  }
}

Tile PackedMatrix::tile(int64_t index) const {
  const int64_t parameters = index * groups_ * kTileColumns;
  return {reinterpret_cast<const uint8_t*>(codes_.data()) + index * tile_bytes(),
          reinterpret_cast<const uint16_t*>(scales_.data()) + parameters,
          reinterpret_cast<const uint8_t*>(zeros_.data()) + parameters, order_.segments.data(),
          static_cast<int64_t>(order_.segments.size())};
}

void PackedMatrix::multiply(MatrixView y, const Rows& x, int planes, int64_t begin, int64_t end) const {
  const auto run = kernels().multiply[index_of(bits_)][planes - 1];
  for (int64_t t = begin; t < end; ++t) run(y.row(0) + t * kTileColumns, y.stride, x, y.rows, tile(t));
}

void PackedMatrix::row(int64_t n, float* out) const {
  const Tile t = tile(n / kTileColumns);
  const int64_t column = n % kTileColumns;
  int64_t position = 0;
  for (const Segment& segment : order_.segments) {
    const int64_t at = segment.group * kTileColumns + column;
    const float scale = to_float(Half{t.scales[at]}), zero = t.zeros[at];
    for (; position < segment.end; ++position) {
      const int32_t input = order_.inputs[static_cast<size_t>(position)];
      if (input >= 0) out[input] = scale * (static_cast<float>(code_at(t.codes, position, column, bits_)) - zero);
    }
  }
}

}  // namespace gptq::backend::packed
