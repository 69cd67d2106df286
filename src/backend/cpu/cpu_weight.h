// Linear weights on the CPU: dense rows in their stored type, or packed codes in tiles of columns.
#pragma once

#include <memory>
#include <vector>

#include "backend/backend.h"
#include "backend/cpu/packed/input_order.h"
#include "core/threads.h"

namespace gptq::backend {

class CpuWeight : public Weight {
 public:
  int64_t in_features() const override { return k_; }
  int64_t out_features() const override { return n_; }
  const std::vector<float>& bias() const { return bias_; }

  // Row n as fp32, for embeddings                                                                     [K]
  virtual void row(int64_t n, float* out) const = 0;

 protected:
  int64_t k_ = 0, n_ = 0;
  std::vector<float> bias_;
};

class DenseWeight final : public CpuWeight {
 public:
  static constexpr int64_t kMaxGemvRows = 24;  // up to this many rows, products are dot products
  static constexpr int64_t kColumns = 256;     // outputs in one task of the many-rows path

  DenseWeight(const TensorView& weight, const TensorView* bias);

  int64_t bytes() const override { return static_cast<int64_t>(weight_.bytes()); }
  void row(int64_t n, float* out) const override;
  // y[:, begin…end) for a few rows of x, and for many by widening the weights to fp32 and calling the BLAS.
  void gemv(MatrixView y, MatrixView x, int64_t begin, int64_t end) const;
  void gemm(MatrixView y, MatrixView x, int64_t begin, int64_t end) const;

 private:
  const float* fp32_row(int64_t n) const { return reinterpret_cast<const float*>(weight_.data()) + n * k_; }
  const uint16_t* half_row(int64_t n) const { return reinterpret_cast<const uint16_t*>(weight_.data()) + n * k_; }

  Tensor weight_;  // [N, K]
};

// A packed weight expanded to fp32, for quantizing: calibration sees weights without rounding of activations.
class ExpandedWeight final : public CpuWeight {
 public:
  static constexpr int64_t kColumns = 256;  // outputs in one task

  ExpandedWeight(const PackedWeight& weight, ThreadPool& pool);

  int64_t bytes() const override { return static_cast<int64_t>(values_.bytes()); }
  void row(int64_t n, float* out) const override;
  // x, with its columns in the order of the groups, as values_ has them.
  MatrixView arrange(MatrixView x, std::vector<float>& scratch) const;
  void gemm(MatrixView y, MatrixView arranged, int64_t begin, int64_t end) const;  // y[:, begin…end)

 private:
  packed::InputOrder order_;
  Tensor values_;  // F32 [K', N]
};

}  // namespace gptq::backend
