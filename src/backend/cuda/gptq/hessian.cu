// Hessians, cross products and quadratic forms.
//
// accumulate_hessian   h [K, K] += xᵀ·x for 16-bit x [T, K]
//   work    products of 16-bit operands with fp32 sums, exact except for the sums; squares on the diagonal as one
//           batch, below each a panel. With 2048 columns per piece every product occupies the GPU fully; 14 % more work
//           than the triangle at K = 14336, 50 % more at 4096
//   sums    tensor cores truncate: at most 4096 tokens per sum before it is added to h, a bias below 1e-5
// accumulate_cross     d [K, K] += (target − x)ᵀ·x
//   The difference is rounded to 16 bits: unbiased, with a relative error of 2^-9/√T after T tokens, a thousandth of
//   the sampling error of d. targetᵀ·x − xᵀ·x would cost twice as much.
// quadratic            w_n·h·w_nᵀ = 2·w_n·half(h)·w_nᵀ, where half(h) is the lower triangle with half of the diagonal:
//   half the work of a full product. Products with fp32 accuracy (split_product.h), row sums in double.
#include <algorithm>
#include <type_traits>

#include "backend/cuda/gptq/gptq.h"
#include "backend/cuda/gptq/scratch.h"
#include "backend/cuda/gptq/split_product.h"
#include "backend/cuda/runtime/launch.h"
#include "backend/cuda/runtime/ptx.cuh"

namespace gptq::backend::cuda {

namespace {

constexpr int64_t kTokens = 4096;
constexpr int64_t kPiece = 2048;      // columns of a Hessian in one product
constexpr int64_t kHalfPiece = 1024;  // columns of half(h) in one product
constexpr int kThreads = 256;

// c += aᵀ·b over the tokens of 16-bit a [T, m], b [T, n]; `count` such products, their columns m = n apart.
void add_outer_products(Context& context, MatrixView c, MatrixView a, MatrixView b, int64_t count = 1) {
  if (count == 0 || c.rows == 0 || c.cols == 0) return;
  for (int64_t t = 0; t < a.rows; t += kTokens) {
    const int64_t tokens = std::min(kTokens, a.rows - t);
    Blas::Product product;
    product.m = c.rows;
    product.n = c.cols;
    product.k = tokens;
    product.beta = 1;
    product.a = {a.row_range(t, tokens).data, a.dtype, a.stride, true};
    product.b = {b.row_range(t, tokens).data, b.dtype, b.stride, false};
    product.c = c.data;
    product.c_stride = c.stride;
    product.batches = static_cast<int>(count);
    product.a_step = product.b_step = c.rows;
    product.c_step = c.rows * (c.stride + 1);
    context.blas().multiply(product);
  }
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    difference_kernel(T* out, const T* target, int64_t target_stride, const T* x, int64_t x_stride, int64_t rows,
                      int64_t cols) {
  const int64_t c = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (c >= cols) return;
  for (int64_t r = blockIdx.y; r < rows; r += gridDim.y) {
    float value = to_float(target[r * target_stride + c]) - to_float(x[r * x_stride + c]);
    if constexpr (std::is_same_v<T, __half>) value = fminf(fmaxf(value, -65504.0f), 65504.0f);  // never infinity
    out[r * cols + c] = from_float<T>(value);
  }
}

template <typename T>
void difference(Context& context, const Buffer& out, MatrixView target, MatrixView x) {
  difference_kernel<T><<<grid_over(x.rows, x.cols, kThreads), kThreads, 0, context.stream()>>>(
      out.as<T>(), pointer<T>(target), target.stride, pointer<T>(x), x.stride, x.rows, x.cols);
  check_launch("difference_kernel", x.rows, x.cols);
}

// out[n] = 2·Σ_k w[n, k]·y[n, k], a block of threads for each row
__global__ void __launch_bounds__(kThreads)
    row_dots_kernel(double* out, const float* w, int64_t stride, const float* y, int64_t cols) {
  const float* w_row = w + int64_t{blockIdx.x} * stride;
  const float* y_row = y + int64_t{blockIdx.x} * cols;
  double sum = 0;
  for (int64_t c = threadIdx.x; c < cols; c += kThreads) sum += static_cast<double>(w_row[c]) * y_row[c];
  for (int distance = 16; distance > 0; distance /= 2) sum += __shfl_down_sync(0xFFFFFFFFu, sum, distance);
  __shared__ double sums[kThreads / 32];
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x != 0) return;
  double total = 0;
  for (const double part : sums) total += part;
  out[blockIdx.x] = 2 * total;
}

}  // namespace

void accumulate_hessian(Context& context, MatrixView h, MatrixView x) {
  CHECK(h.rows == x.cols && h.cols == x.cols);
  const int64_t k = h.rows, whole = k / kPiece, rest = k % kPiece;
  if (whole > 0) {
    add_outer_products(context, h.row_range(0, kPiece).column_range(0, kPiece), x.column_range(0, kPiece),
                       x.column_range(0, kPiece), whole);
  }
  const MatrixView last = x.column_range(k - rest, rest);
  add_outer_products(context, h.row_range(k - rest, rest).column_range(k - rest, rest), last, last);
  for (int64_t begin = 0; begin + kPiece < k; begin += kPiece) {
    const int64_t below = begin + kPiece;
    add_outer_products(context, h.row_range(below, k - below).column_range(begin, kPiece),
                       x.column_range(below, k - below), x.column_range(begin, kPiece));
  }
}

void accumulate_cross(Context& context, MatrixView d, MatrixView target, MatrixView x) {
  CHECK(d.rows == x.cols && d.cols == x.cols && target.rows == x.rows && target.cols == x.cols);
  if (x.rows == 0 || x.cols == 0) return;
  const Buffer memory(context, static_cast<size_t>(x.rows * x.cols) * sizeof(uint16_t));
  if (x.dtype == DType::kBF16) {
    difference<__nv_bfloat16>(context, memory, target, x);
  } else {
    CHECK(x.dtype == DType::kF16);
    difference<__half>(context, memory, target, x);
  }
  add_outer_products(context, d, {x.dtype, memory.as(), x.rows, x.cols, x.cols}, x);
}

std::vector<float> diagonal(Context& context, MatrixView h) {
  std::vector<float> values(static_cast<size_t>(h.rows));
  const MatrixView column = h.diagonal();
  GPTQ_CUDA(cudaMemcpy2DAsync(values.data(), sizeof(float), column.data,
                              static_cast<size_t>(column.stride) * sizeof(float), sizeof(float),
                              static_cast<size_t>(column.rows), cudaMemcpyDeviceToHost, context.stream()));
  context.synchronize();
  return values;
}

std::vector<double> row_quadratic_forms(Context& context, MatrixView w, MatrixView h) {
  const int64_t k = h.rows;
  CHECK(w.cols == k && h.cols == k);
  std::vector<double> result(static_cast<size_t>(w.rows));
  if (w.rows == 0) return result;
  const int64_t row_bytes = k * int64_t{sizeof(float)} + 3 * kHalfPiece * int64_t{sizeof(float)};
  const int64_t strip = std::clamp<int64_t>(kStripBytes / row_bytes, 1, w.rows);
  const Buffer sums(context, result.size() * sizeof(double)), memory(context, static_cast<size_t>(strip * k) * 4);
  for (int64_t first = 0; first < w.rows; first += strip) {
    const MatrixView rows = w.row_range(first, std::min(strip, w.rows - first));
    const MatrixView y = f32_view(memory, rows.rows, k);
    clear(context, y);
    for (int64_t begin = 0; begin < k; begin += kHalfPiece) {
      const int64_t width = std::min(kHalfPiece, k - begin);
      const SplitOperand left(context, rows.column_range(begin, width), Side::kLeft, TermAxis::kColumns);
      const SplitOperand right(context, h.row_range(begin, k - begin).column_range(begin, width), Side::kRight,
                               TermAxis::kColumns, Part::kHalf);
      multiply_add(context, y.column_range(begin, k - begin), 1.0, left, 0, right, 0);
    }
    row_dots_kernel<<<static_cast<unsigned>(rows.rows), kThreads, 0, context.stream()>>>(
        sums.as<double>() + first, pointer(rows), rows.stride, pointer(y), k);
    check_launch("row_dots_kernel", rows.rows, k);
  }
  GPTQ_CUDA(cudaMemcpyAsync(result.data(), sums.as(), result.size() * sizeof(double), cudaMemcpyDeviceToHost,
                            context.stream()));
  context.synchronize();
  return result;
}

}  // namespace gptq::backend::cuda
