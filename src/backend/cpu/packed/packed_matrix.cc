// Repacking at load time, and the loop over tiles.
#include "backend/cpu/packed/packed_matrix.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace gptq::backend::packed {

namespace {

constexpr int64_t kTilesPerFill = 8;
constexpr int64_t kRoundedGroup = 128;  // inputs that share a scale when a dense weight is rounded

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
  allocate();
  // Neighbouring tiles together: their words share pages of the source.
  pool.parallel_for((tiles() + kTilesPerFill - 1) / kTilesPerFill, [&](int64_t task) {
    const int64_t begin = task * kTilesPerFill, end = std::min(tiles(), begin + kTilesPerFill);
    fill_codes(begin, end, w);
    for (int64_t t = begin; t < end; ++t) fill_parameters(t, w);
  });
  if (!w.bias.empty()) bias_.assign(w.bias.values<float>().begin(), w.bias.values<float>().end());
}

PackedMatrix::PackedMatrix(const TensorView& weight, const TensorView* bias, ThreadPool& pool) : bits_(8) {
  CHECK(weight.shape.size() == 2);
  n_ = weight.shape[0];
  k_ = weight.shape[1];
  groups_ = (k_ + kRoundedGroup - 1) / kRoundedGroup;
  std::vector<int32_t> group_of(static_cast<size_t>(k_));
  for (size_t k = 0; k < group_of.size(); ++k) group_of[k] = static_cast<int32_t>(k / kRoundedGroup);
  order_ = order_inputs(group_of, groups_);
  allocate();
  pool.parallel_for(tiles(), [&](int64_t t) {
    std::vector<float> row(static_cast<size_t>(k_));
    for (int64_t n = t * kTileColumns; n < (t + 1) * kTileColumns; ++n) {
      if (n < n_) {
        to_float32(row, weight.rows(n, 1), "a head");
      } else {
        std::fill(row.begin(), row.end(), 0.0f);  // columns of the last tile that do not exist
      }
      round_row(n, row.data());
    }
  });
  if (bias != nullptr) {
    const Tensor values = to_float32(*bias, "a bias");
    bias_.assign(values.values<float>().begin(), values.values<float>().end());
  }
}

void PackedMatrix::allocate() {
  codes_ = Tensor::uninitialized(DType::kU8, {tiles(), tile_bytes()});
  scales_ = Tensor::uninitialized(DType::kF16, {tiles(), groups_, kTileColumns});
  zeros_ = Tensor::uninitialized(DType::kU8, {tiles(), groups_, kTileColumns});
}

void PackedMatrix::round_row(int64_t n, const float* row) {
  const int64_t t = n / kTileColumns, column = n % kTileColumns;
  auto* codes = reinterpret_cast<uint8_t*>(codes_.data()) + t * tile_bytes() + column * 4;
  for (int64_t g = 0; g < groups_; ++g) {
    const int64_t begin = g * kRoundedGroup, end = std::min(k_, begin + kRoundedGroup);
    float largest = 0;
    for (int64_t k = begin; k < end; ++k) largest = std::max(largest, std::abs(row[k]));
    const Half scale = to_half(largest / 127);
    const float inverse = to_float(scale) > 0 ? 1 / to_float(scale) : 0.0f;
    const auto at = static_cast<size_t>((t * groups_ + g) * kTileColumns + column);
    scales_.values<Half>()[at] = scale;
    zeros_.values<uint8_t>()[at] = 128;
    // Groups begin at whole blocks, as their size is a multiple of them: position k holds input k.
    for (int64_t k = begin; k < (end + kBlock - 1) / kBlock * kBlock; ++k) {
      const float steps = k < end ? std::clamp(row[k] * inverse, -128.0f, 127.0f) : 0.0f;
      codes[k / 4 * kTileLine + k % 4] = static_cast<uint8_t>(static_cast<int>(std::lrint(steps)) + 128);
    }
  }
}

void PackedMatrix::fill_codes(int64_t begin, int64_t end, const PackedWeight& w) {
  const auto pack = kernels().pack[index_of(bits_)];
  const auto* words = reinterpret_cast<const uint32_t*>(w.words().data());
  auto* codes = reinterpret_cast<uint8_t*>(codes_.data());
  for (int64_t i = 0; i < order_.size(); i += kBlock) {
    for (int64_t t = begin; t < end; ++t) {
      pack(codes + t * tile_bytes() + i / kBlock * bits_ * kTileLine, words + t * kTileColumns, n_,
           order_.inputs.data() + i);
    }
  }
}

void PackedMatrix::fill_parameters(int64_t t, const PackedWeight& w) {
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

Tile PackedMatrix::tile(int64_t index, int planes) const {
  const std::vector<Segment>& segments = order_.segments(planes);
  const int64_t parameters = index * groups_ * kTileColumns;
  return {reinterpret_cast<const uint8_t*>(codes_.data()) + index * tile_bytes(),
          reinterpret_cast<const uint16_t*>(scales_.data()) + parameters,
          reinterpret_cast<const uint8_t*>(zeros_.data()) + parameters, segments.data(),
          static_cast<int64_t>(segments.size()), prefetches_one_row()};
}

void PackedMatrix::multiply(MatrixView y, const Rows& x, int planes, int64_t begin, int64_t end) const {
  const auto run = kernels().multiply[index_of(bits_)][planes - 1];
  const int64_t whole = std::min(end, n_ / kTileColumns);
  for (int64_t t = begin; t < whole; ++t) run(y.row(0) + t * kTileColumns, y.stride, x, y.rows, tile(t, planes));
  if (whole == end) return;
  std::vector<float> last(static_cast<size_t>(y.rows * kTileColumns));
  run(last.data(), kTileColumns, x, y.rows, tile(whole, planes));
  for (int64_t m = 0; m < y.rows; ++m) {
    std::copy_n(last.data() + m * kTileColumns, n_ % kTileColumns, y.row(m) + whole * kTileColumns);
  }
}

void PackedMatrix::row(int64_t n, float* out) const {
  const Tile t = tile(n / kTileColumns, 2);
  const int64_t column = n % kTileColumns;
  int64_t position = 0;
  for (const Segment& segment : order_.two_planes) {
    const int64_t at = segment.group * kTileColumns + column;
    const float scale = to_float(Half{t.scales[at]}), zero = t.zeros[at];
    for (; position < segment.end; ++position) {
      const int32_t input = order_.inputs[static_cast<size_t>(position)];
      if (input >= 0) out[input] = scale * (static_cast<float>(code_at(t.codes, position, column, bits_)) - zero);
    }
  }
}

}  // namespace gptq::backend::packed
