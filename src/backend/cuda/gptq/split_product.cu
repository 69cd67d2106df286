// Splitting fp32 matrices into TF32 parts.
//
//   work    a thread for each element, coalesced along the stored rows
//   bytes   4 read and 12 written per element; negligible compared with the following products
//   limits  values above 3.4e38 become infinity; rows and columns are padded with zeros to 4 elements
#include "backend/cuda/gptq/split_product.h"
#include "backend/cuda/runtime/launch.h"

namespace gptq::backend::cuda {

namespace {

constexpr int kThreads = 256;

int64_t padded(int64_t size) { return (size + 3) / 4 * 4; }  // tensor-core kernels need rows of multiples of 16 bytes

__device__ __forceinline__ float round_to_tf32(float x) {
  const uint32_t bits = __float_as_uint(x);
  return __uint_as_float((bits + 0xFFFu + ((bits >> 13) & 1u)) & ~0x1FFFu);
}

// out: part p of element (r, c) at r·row_step + c + p·part_step
__global__ void __launch_bounds__(kThreads)
    split_kernel(float* out, int64_t row_step, int64_t part_step, int64_t padded_rows, int64_t padded_cols,
                 const float* x, int64_t rows, int64_t cols, int64_t stride, bool left, bool half) {
  const int64_t c = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (c >= padded_cols) return;
  for (int64_t r = blockIdx.y; r < padded_rows; r += gridDim.y) {
    float value = 0.0f;
    if (r < rows && c < cols && (!half || r >= c)) value = x[r * stride + c];
    if (half && r == c) value *= 0.5f;
    const float high = round_to_tf32(value);
    const float low = round_to_tf32(value - high);
    float* to = out + r * row_step + c;
    to[0] = left ? low : high;
    to[part_step] = left ? high : low;
    to[2 * part_step] = high;
  }
}

}  // namespace

SplitOperand::SplitOperand(Context& context, MatrixView x, Side side, TermAxis axis, Part part) : axis_(axis) {
  const bool columns = axis == TermAxis::kColumns;
  const int64_t rows = columns ? x.rows : padded(x.rows), cols = padded(x.cols);
  terms_ = 3 * (columns ? cols : rows);
  stride_ = columns ? terms_ : cols;
  memory_ = Buffer(context, static_cast<size_t>(3 * rows * cols) * sizeof(float));
  if (rows == 0 || cols == 0) return;
  split_kernel<<<grid_over(rows, cols, kThreads), kThreads, 0, context.stream()>>>(
      memory_.as<float>(), stride_, columns ? cols : rows * cols, rows, cols, pointer(x), x.rows, x.cols, x.stride,
      side == Side::kLeft, part == Part::kHalf);
  check_launch("split_kernel", x.rows, x.cols);
}

Operand SplitOperand::from(int64_t begin, bool transposed) const {
  const int64_t offset = axis_ == TermAxis::kColumns ? begin * stride_ : begin;
  return {memory_.as<float>() + offset, DType::kF32, stride_, transposed};
}

void multiply_add(Context& context, MatrixView c, double alpha, const SplitOperand& a, int64_t a_begin,
                  const SplitOperand& b, int64_t b_begin) {
  CHECK(a.terms_ == b.terms_);
  if (c.rows == 0 || c.cols == 0 || a.terms_ == 0) return;
  Blas::Product product;
  product.m = c.rows;
  product.n = c.cols;
  product.k = a.terms_;
  product.alpha = alpha;
  product.beta = 1;
  product.a = a.from(a_begin, a.axis_ == TermAxis::kRows);
  product.b = b.from(b_begin, b.axis_ == TermAxis::kColumns);
  product.c = c.data;
  product.c_stride = c.stride;
  product.tf32 = true;
  context.blas().multiply(product);
}

}  // namespace gptq::backend::cuda
