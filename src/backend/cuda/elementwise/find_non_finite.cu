// The search for infinity and NaN.
#include <algorithm>

#include "backend/cuda/elementwise/operations.h"
#include "backend/cuda/runtime/launch.h"

namespace gptq::backend::cuda {

namespace {

constexpr int kThreads = 256;

// Infinity and NaN have all exponent bits set: an integer test is safe with any floating-point optimisation.
template <typename Bits>
__global__ void __launch_bounds__(kThreads)
    non_finite_kernel(float* flag, const Bits* x, int64_t stride, Bits exponent, int64_t rows, int64_t cols) {
  const int64_t c = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (c >= cols) return;
  bool bad = false;
  for (int64_t r = blockIdx.y; r < rows; r += gridDim.y) bad |= (x[r * stride + c] & exponent) == exponent;
  if (bad) *flag = 1.0f;
}

}  // namespace

void find_non_finite(Context& context, float* flag, MatrixView x) {
  if (x.rows == 0 || x.cols == 0) return;
  const dim3 grid(tiles(x.cols, kThreads), static_cast<unsigned>(std::min<int64_t>(x.rows, 64)));
  if (x.dtype == DType::kF32) {
    non_finite_kernel<<<grid, kThreads, 0, context.stream()>>>(flag, reinterpret_cast<const uint32_t*>(x.data),
                                                               x.stride, 0x7F800000u, x.rows, x.cols);
  } else {
    const uint16_t exponent = x.dtype == DType::kF16 ? 0x7C00 : 0x7F80;
    non_finite_kernel<<<grid, kThreads, 0, context.stream()>>>(flag, reinterpret_cast<const uint16_t*>(x.data),
                                                               x.stride, exponent, x.rows, x.cols);
  }
  check_launch("find_non_finite", x.rows, x.cols);
}

}  // namespace gptq::backend::cuda
