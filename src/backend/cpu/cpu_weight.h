// Linear weights on the CPU: dense rows in their stored type, or packed codes in tiles of columns.
#pragma once

#include <memory>
#include <vector>

#include "backend/backend.h"
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

}  // namespace gptq::backend
