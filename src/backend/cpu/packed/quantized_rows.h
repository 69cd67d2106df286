// Activations as integers, quantized once for all weights that share an input and an order of inputs.
#pragma once

#include <vector>

#include "backend/cpu/packed/input_order.h"
#include "backend/matrix.h"
#include "core/threads.h"

namespace gptq::backend::packed {

class QuantizedRows {
 public:
  // Quantizes x [M, K] to `planes` bytes an element. The memory is kept for the next call.
  void assign(MatrixView x, const InputOrder& order, int planes, ThreadPool& pool);
  Rows from(int64_t row) const;
  int planes() const { return planes_; }

 private:
  int planes_ = 2;
  int64_t stride_ = 0, segments_ = 0;
  std::vector<int8_t> values_;
  std::vector<float> scales_, sums_;
};

}  // namespace gptq::backend::packed
