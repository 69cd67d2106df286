// Linear weights on the CPU: dense rows in their stored type, or packed codes in column tiles.
#pragma once

#include <memory>
#include <vector>

#include "backend/backend.h"
#include "backend/cpu/kernels.h"

namespace gptq::backend {

class CpuWeight : public Weight {
 public:
  static constexpr int64_t kMaxGemvRows = 24;  // up to this many rows, products use the codes directly
  static constexpr int64_t kColumns = 256;     // outputs in one task of the many-rows path

  int64_t in_features() const override { return k_; }
  int64_t out_features() const override { return n_; }
  const std::vector<float>& bias() const { return bias_; }

  // The input in the order of this weight: x, or its columns gathered into `scratch` (act-order, padding).
  virtual MatrixView arrange(MatrixView x, std::vector<float>& scratch) const = 0;
  // Σ of the arranged input over each group [M, G], for the zero points; nothing for dense weights.
  virtual void group_sums(MatrixView arranged, std::vector<float>& sums) const = 0;

  // y[:, begin…end) for a few rows of the arranged input; begin and end are multiples of kTileColumns or N.
  virtual void gemv(MatrixView y, MatrixView arranged, const std::vector<float>& sums, int64_t begin,
                    int64_t end) const = 0;
  // The same for many rows, by expanding the weights to fp32 and calling the BLAS.
  virtual void gemm(MatrixView y, MatrixView arranged, int64_t begin, int64_t end) const = 0;

  // Row n as fp32, for embeddings                                                                     [K]
  virtual void row(int64_t n, float* out) const = 0;

 protected:
  int64_t k_ = 0, n_ = 0;
  std::vector<float> bias_;
};

std::unique_ptr<CpuWeight> make_dense_weight(const TensorView& weight, const TensorView* bias);
std::unique_ptr<CpuWeight> make_packed_weight(const PackedWeight& weight);

}  // namespace gptq::backend
