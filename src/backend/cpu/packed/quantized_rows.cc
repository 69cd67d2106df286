// Rows are quantized independently of each other.
#include "backend/cpu/packed/quantized_rows.h"

#include <algorithm>

namespace gptq::backend::packed {

void QuantizedRows::assign(MatrixView x, const InputOrder& order, int planes, ThreadPool& pool) {
  constexpr int64_t kRowsPerTask = 8;
  planes_ = planes;
  stride_ = order.size() * planes;
  const std::vector<Segment>& segments = order.segments(planes);
  segments_ = static_cast<int64_t>(segments.size());
  values_.resize(static_cast<size_t>(x.rows * stride_));
  scales_.resize(static_cast<size_t>(x.rows * segments_));
  sums_.resize(static_cast<size_t>(x.rows * segments_));
  const auto quantize = kernels().quantize[planes - 1];
  pool.parallel_for((x.rows + kRowsPerTask - 1) / kRowsPerTask, [&](int64_t task) {
    thread_local std::vector<float> gathered;
    for (int64_t m = task * kRowsPerTask; m < std::min(x.rows, (task + 1) * kRowsPerTask); ++m) {
      const float* row = x.row(m);
      if (!order.natural) {
        gathered.resize(order.inputs.size());
        std::transform(order.inputs.begin(), order.inputs.end(), gathered.begin(),
                       [row](int32_t input) { return input < 0 ? 0.0f : row[input]; });
        row = gathered.data();
      }
      quantize(values_.data() + m * stride_, scales_.data() + m * segments_, sums_.data() + m * segments_, row,
               segments.data(), segments_);
    }
  });
}

Rows QuantizedRows::from(int64_t row) const {
  return {values_.data() + row * stride_, stride_, scales_.data() + row * segments_, sums_.data() + row * segments_,
          segments_};
}

}  // namespace gptq::backend::packed
