// Quantized weights in fp32: SGEMM over blocks of columns.
#include <algorithm>

#include "backend/cpu/blas.h"
#include "backend/cpu/cpu_weight.h"

namespace gptq::backend {

ExpandedWeight::ExpandedWeight(const PackedWeight& w, ThreadPool& pool)
    : order_(packed::order_inputs(w.g_idx.values<int32_t>(), w.groups())) {
  k_ = w.in_features;
  n_ = w.out_features;
  values_ = Tensor::uninitialized(DType::kF32, {order_.size(), n_});
  const int32_t* words = w.words().data();
  const int32_t* zeros = w.qzeros.values<int32_t>().data();
  const auto scales = w.scales.values<Half>();
  const auto groups = w.g_idx.values<int32_t>();
  pool.parallel_for(order_.size(), [&](int64_t position) {
    float* out = values_.values<float>().data() + position * n_;
    const int32_t k = order_.inputs[static_cast<size_t>(position)];
    if (k < 0) {
      std::fill_n(out, n_, 0.0f);
      return;
    }
    const int64_t g = groups[static_cast<size_t>(k)];
    for (int64_t n = 0; n < n_; ++n) {
      const auto code = static_cast<float>(unpack_field(words + n, k, w.bits, n_));
      const auto zero = static_cast<float>(unpack_field(zeros + g * n_ * w.bits / 32, n, w.bits));
      out[n] = to_float(scales[static_cast<size_t>(g * n_ + n)]) * (code - zero);
    }
  });
  if (!w.bias.empty()) bias_.assign(w.bias.values<float>().begin(), w.bias.values<float>().end());
}

void ExpandedWeight::row(int64_t n, float* out) const {
  for (size_t i = 0; i < order_.inputs.size(); ++i) {
    if (order_.inputs[i] >= 0)
      out[order_.inputs[i]] = values_.values<float>()[i * static_cast<size_t>(n_) + static_cast<size_t>(n)];
  }
}

MatrixView ExpandedWeight::arrange(MatrixView x, std::vector<float>& scratch) const {
  if (order_.natural) return x;
  const int64_t size = order_.size();
  scratch.resize(static_cast<size_t>(x.rows * size));
  for (int64_t m = 0; m < x.rows; ++m) {
    std::transform(order_.inputs.begin(), order_.inputs.end(), scratch.begin() + m * size,
                   [row = x.row(m)](int32_t input) { return input < 0 ? 0.0f : row[input]; });
  }
  return {DType::kF32, reinterpret_cast<std::byte*>(scratch.data()), x.rows, size, size};
}

void ExpandedWeight::gemm(MatrixView y, MatrixView x, int64_t begin, int64_t end) const {
  blas().sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, static_cast<int>(x.rows), static_cast<int>(end - begin),
               static_cast<int>(order_.size()), 1.0f, x.row(0), static_cast<int>(x.stride),
               values_.values<float>().data() + begin, static_cast<int>(n_), 0.0f, y.row(0) + begin,
               static_cast<int>(y.stride));
}

}  // namespace gptq::backend
