// Matrix products by cuBLAS, loaded at run time so that the same program works with and without a GPU.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>

#include "core/dtype.h"

namespace gptq::backend::cuda {

// Row-major matrices in device memory, `stride` elements between rows.
struct Operand {
  const void* data = nullptr;
  DType dtype = DType::kF32;
  int64_t stride = 0;
  bool transposed = false;  // the product uses the matrix's transpose
};

class Blas {
 public:
  // Finds libcublas in the program's folder, the toolkit or PyPI's wheels. Throws Error(kNotFound) naming the folders.
  explicit Blas(cudaStream_t stream);
  ~Blas();

  // c = alpha · a·b + beta · c, with a [M, K], b [K, N] after transposition. Accumulates in fp32 (F16, BF16, F32
  // operands; fp32 ones never through single-product TF32) or in fp64 (F64). c is F32, F64 or the operands' type.
  // `batches` > 1: that many products, `*_step` elements between the starts of consecutive matrices.
  struct Product {
    int64_t m = 0, n = 0, k = 0;
    double alpha = 1, beta = 0;
    Operand a, b;
    void* c = nullptr;
    DType c_dtype = DType::kF32;
    int64_t c_stride = 0;
    int batches = 1;
    int64_t a_step = 0, b_step = 0, c_step = 0;
    bool tf32 = false;  // fp32 operands that hold no more than TF32's 10 mantissa bits
  };
  void multiply(const Product& product) const;

 private:
  struct Api;
  std::unique_ptr<Api> api_;
};

}  // namespace gptq::backend::cuda
