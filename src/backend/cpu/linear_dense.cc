// y = x · Wᵀ for dense weights kept in their stored type (fp32, fp16 or bf16).
//
//   few rows   one dot product per output, widening in registers: bound by reading W once
//   many rows  256 outputs widened to fp32 in cache, then SGEMM: bound by FMA
#include <cstring>

#include "backend/cpu/blas.h"
#include "backend/cpu/cpu_weight.h"
#include "backend/cpu/kernels.h"

namespace gptq::backend {

DenseWeight::DenseWeight(const TensorView& weight, const TensorView* bias)
    : weight_(Tensor::uninitialized(weight.dtype, weight.shape)) {
  CHECK(weight.shape.size() == 2);
  CHECK(weight.dtype == DType::kF32 || weight.dtype == DType::kF16 || weight.dtype == DType::kBF16);
  n_ = weight.shape[0];
  k_ = weight.shape[1];
  std::memcpy(weight_.data(), weight.data, weight.bytes());
  if (bias != nullptr) {
    const Tensor values = to_float32(*bias, "a bias");
    bias_.assign(values.values<float>().begin(), values.values<float>().end());
  }
}

void DenseWeight::gemv(MatrixView y, MatrixView x, int64_t begin, int64_t end) const {
  const Kernels& kernels = best_kernels();
  for (int64_t n = begin; n < end; ++n) {
    for (int64_t m = 0; m < x.rows; ++m) {
      switch (weight_.dtype()) {
        case DType::kF32: y.row(m)[n] = kernels.dot_f32(fp32_row(n), x.row(m), k_); break;
        case DType::kF16: y.row(m)[n] = kernels.dot_f16(half_row(n), x.row(m), k_); break;
        default: y.row(m)[n] = kernels.dot_bf16(half_row(n), x.row(m), k_); break;
      }
    }
  }
}

void DenseWeight::gemm(MatrixView y, MatrixView x, int64_t begin, int64_t end) const {
  thread_local std::vector<float> wide;  // [kColumns, K]
  const float* rows = nullptr;
  if (weight_.dtype() == DType::kF32) {
    rows = fp32_row(begin);
  } else {
    wide.resize(static_cast<size_t>((end - begin) * k_));
    for (int64_t n = begin; n < end; ++n) row(n, wide.data() + (n - begin) * k_);
    rows = wide.data();
  }
  blas().sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, static_cast<int>(x.rows), static_cast<int>(end - begin),
               static_cast<int>(k_), 1.0f, x.row(0), static_cast<int>(x.stride), rows, static_cast<int>(k_), 0.0f,
               y.row(0) + begin, static_cast<int>(y.stride));
}

void DenseWeight::row(int64_t n, float* out) const {
  switch (weight_.dtype()) {
    case DType::kF32: std::memcpy(out, fp32_row(n), static_cast<size_t>(k_) * sizeof(float)); break;
    case DType::kF16: best_kernels().widen_f16(out, half_row(n), k_); break;
    default: best_kernels().widen_bf16(out, half_row(n), k_); break;
  }
}

}  // namespace gptq::backend
