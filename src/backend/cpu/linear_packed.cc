// y = x · Wᵀ directly from GPTQ codes of 2, 3, 4 or 8 bits.
//
//   layout     tiles of 32 outputs (kernels.h), made once at load; inputs sorted by group so that act-order costs
//              one gather of x instead of a look-up per weight; groups padded to 32 inputs with x = 0
//   few rows   codes are converted to floats in registers and multiplied with x by broadcast FMA; scale and zero once
//              per group:
//              Σ scale·(code − zero)·x = scale·(Σ code·x − zero·Σ x). Bound by reading the codes once
//   many rows  tiles expanded to fp32 [K, 256] in cache, then SGEMM
#include <algorithm>
#include <numeric>

#include "backend/cpu/blas.h"
#include "backend/cpu/cpu_weight.h"

namespace gptq::backend {

namespace {

int kernel_index(int bits) { return bits == 8 ? 3 : bits - 2; }

class PackedCpuWeight final : public CpuWeight {
 public:
  explicit PackedCpuWeight(const PackedWeight& w) : bits_(w.bits), groups_(w.groups()) {
    k_ = w.in_features;
    n_ = w.out_features;
    CHECK(n_ % kTileColumns == 0 && k_ % 32 == 0);
    order_inputs(w.g_idx.values<int32_t>());
    fill_tiles(w);
    if (!w.bias.empty()) bias_.assign(w.bias.values<float>().begin(), w.bias.values<float>().end());
  }

  int64_t bytes() const override { return static_cast<int64_t>(words_.bytes() + scales_.bytes() + zeros_.bytes()); }

  MatrixView arrange(MatrixView x, std::vector<float>& scratch) const override {
    if (natural_) return x;
    scratch.resize(static_cast<size_t>(x.rows * padded_));
    for (int64_t m = 0; m < x.rows; ++m) {
      float* out = scratch.data() + m * padded_;
      for (int64_t i = 0; i < padded_; ++i)
        out[i] = inputs_[static_cast<size_t>(i)] < 0 ? 0.0f : x.row(m)[inputs_[static_cast<size_t>(i)]];
    }
    return {DType::kF32, reinterpret_cast<std::byte*>(scratch.data()), x.rows, padded_, padded_};
  }

  void group_sums(MatrixView x, std::vector<float>& sums) const override {
    sums.resize(static_cast<size_t>(x.rows * groups_));
    for (int64_t m = 0; m < x.rows; ++m) {
      int64_t k = 0;
      for (int64_t g = 0; g < groups_; ++g) {
        float sum = 0;
        for (; k < group_ends_[static_cast<size_t>(g)]; ++k) sum += x.row(m)[k];
        sums[static_cast<size_t>(m * groups_ + g)] = sum;
      }
    }
  }

  void gemv(MatrixView y, MatrixView x, const std::vector<float>& sums, int64_t begin, int64_t end) const override {
    const auto run = best_kernels().packed_linear[kernel_index(bits_)];
    for (int64_t n = begin; n < end; n += kTileColumns) {
      run(y.row(0) + n, y.stride, x.row(0), x.stride, sums.data(), x.rows, tile(n / kTileColumns));
    }
  }

  void gemm(MatrixView y, MatrixView x, int64_t begin, int64_t end) const override {
    thread_local std::vector<float> dense;  // [K', end − begin]
    const int64_t width = end - begin;
    dense.resize(static_cast<size_t>(padded_ * width));
    const auto expand = best_kernels().packed_expand[kernel_index(bits_)];
    for (int64_t n = begin; n < end; n += kTileColumns) {
      expand(dense.data() + (n - begin), width, tile(n / kTileColumns));
    }
    blas().sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, static_cast<int>(x.rows), static_cast<int>(width),
                 static_cast<int>(padded_), 1.0f, x.row(0), static_cast<int>(x.stride), dense.data(),
                 static_cast<int>(width), 0.0f, y.row(0) + begin, static_cast<int>(y.stride));
  }

  void row(int64_t, float*) const override { CHECK(false, "a packed weight is not an embedding table"); }

 private:
  // inputs_[i] is the original input at position i of the sorted, padded order; −1 is padding.
  void order_inputs(std::span<const int32_t> g_idx) {
    std::vector<int32_t> sorted(g_idx.size());
    std::iota(sorted.begin(), sorted.end(), 0);
    std::stable_sort(sorted.begin(), sorted.end(), [&](int32_t a, int32_t b) {
      return g_idx[static_cast<size_t>(a)] < g_idx[static_cast<size_t>(b)];
    });
    size_t next = 0;
    for (int64_t g = 0; g < groups_; ++g) {
      for (; next < sorted.size() && g_idx[static_cast<size_t>(sorted[next])] == g; ++next)
        inputs_.push_back(sorted[next]);
      while (inputs_.size() % 32 != 0) inputs_.push_back(-1);
      group_ends_.push_back(static_cast<int32_t>(inputs_.size()));
    }
    padded_ = static_cast<int64_t>(inputs_.size());
    natural_ = padded_ == k_;
    for (size_t i = 0; natural_ && i < inputs_.size(); ++i) natural_ = inputs_[i] == static_cast<int32_t>(i);
  }

  void fill_tiles(const PackedWeight& w) {
    const int64_t words_per_column = padded_ / 32 * bits_;
    const int64_t tiles = n_ / kTileColumns;
    words_ = Tensor(DType::kI32, {tiles, words_per_column, kTileColumns});
    scales_ = Tensor(DType::kF32, {tiles, groups_, kTileColumns});
    zeros_ = Tensor(DType::kF32, {tiles, groups_, kTileColumns});
    const int32_t* qweight = w.qweight.values<int32_t>().data();
    const int32_t* qzeros = w.qzeros.values<int32_t>().data();
    const auto half_scales = w.scales.values<Half>();
    int32_t* words = words_.values<int32_t>().data();
    float* scales = scales_.values<float>().data();
    float* zeros = zeros_.values<float>().data();
    for (int64_t t = 0; t < tiles; ++t) {
      int32_t* tile_words = words + t * words_per_column * kTileColumns;
      for (int64_t c = 0; c < kTileColumns; ++c) {
        const int64_t n = t * kTileColumns + c;
        if (natural_) {
          for (int64_t r = 0; r < words_per_column; ++r) tile_words[r * kTileColumns + c] = qweight[r * n_ + n];
        } else {
          for (int64_t i = 0; i < padded_; ++i) {
            const int32_t k = inputs_[static_cast<size_t>(i)];
            if (k >= 0) pack_field(tile_words + c, i, bits_, unpack_field(qweight + n, k, bits_, n_), kTileColumns);
          }
        }
        for (int64_t g = 0; g < groups_; ++g) {
          const int64_t at = (t * groups_ + g) * kTileColumns + c;
          scales[at] = to_float(half_scales[static_cast<size_t>(g * n_ + n)]);
          zeros[at] = static_cast<float>(unpack_field(qzeros + g * n_ * bits_ / 32, n, bits_));
        }
      }
    }
  }

  PackedTile tile(int64_t index) const {
    const int64_t words = padded_ / 32 * bits_ * kTileColumns, params = groups_ * kTileColumns;
    return {reinterpret_cast<const uint32_t*>(words_.data()) + index * words,
            reinterpret_cast<const float*>(scales_.data()) + index * params,
            reinterpret_cast<const float*>(zeros_.data()) + index * params, group_ends_.data(), groups_};
  }

  int bits_;
  int64_t groups_;
  int64_t padded_ = 0;               // K', inputs after padding every group to a multiple of 32
  bool natural_ = true;              // the order is 0…K−1 without padding
  std::vector<int32_t> inputs_;      // [K']
  std::vector<int32_t> group_ends_;  // [G]
  Tensor words_, scales_, zeros_;    // kernels.h: PackedTile, contiguous
};

}  // namespace

std::unique_ptr<CpuWeight> make_packed_weight(const PackedWeight& weight) {
  return std::make_unique<PackedCpuWeight>(weight);
}

}  // namespace gptq::backend
