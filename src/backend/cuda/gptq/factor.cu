// Uses of the Cholesky factorisation: the factor for the column loop, and GPTAQ's regression.
//
// factorize   gathers the damped matrix in processing order directly into the factor's memory, F64 into separate memory
// GPTAQ       w += α·w·d·A⁻¹ for A = h + damping·I = Sᵀ·S. A⁻¹ is not formed: x·A⁻¹ = (x·S⁻¹)·S⁻ᵀ, by blocks of 512
//             columns whose diagonal blocks of S are inverted. With fewer rows of w than columns x is w·d, else x is d
//   bytes     both read the triangle of S once for each 256 or 512 columns; the time is dominated by products
#include <algorithm>
#include <numeric>

#include "backend/cuda/gptq/cholesky.h"
#include "backend/cuda/gptq/gptq.h"
#include "backend/cuda/gptq/scratch.h"
#include "backend/cuda/gptq/split_product.h"
#include "backend/cuda/runtime/launch.h"

namespace gptq::backend::cuda {

namespace {

constexpr int kThreads = 256;

// a[i, j] = h[order[i], order[j]] + damping·(i = j) for j ≤ i < k, from h's lower triangle; the identity from k on.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    gather_damped_kernel(T* a, int64_t a_stride, int64_t size, const float* h, int64_t h_stride, const int* order,
                         int64_t k, float damping) {
  const int64_t j = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  for (int64_t i = blockIdx.y; i < size; i += gridDim.y) {
    if (j > i) continue;
    T value = T(i == j);
    if (i < k) {
      const int64_t r = order[i], c = order[j];
      value = r >= c ? h[r * h_stride + c] : h[c * h_stride + r];
      if (i == j) value += T(damping);
    }
    a[i * a_stride + j] = value;
  }
}

// s = the lower triangle of a, zeros above.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    lower_triangle_kernel(float* s, int64_t s_stride, const T* a, int64_t a_stride, int64_t size) {
  const int64_t j = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (j >= size) return;
  for (int64_t i = blockIdx.y; i < size; i += gridDim.y) {
    s[i * s_stride + j] = j <= i ? static_cast<float>(a[i * a_stride + j]) : 0.0f;
  }
}

// Pairs of blocks [b, b] on the diagonals of blocks [2b, 2b], zeros elsewhere.
__global__ void __launch_bounds__(kThreads) pair_blocks_kernel(float* pairs, const float* blocks, int b) {
  const int64_t row = blockIdx.x;  // of all pairs
  const int inner = static_cast<int>(row % (2 * b));
  const int64_t block = row / b;
  for (int j = threadIdx.x; j < 2 * b; j += kThreads) {
    const bool inside = (j < b) == (inner < b);
    pairs[row * 2 * b + j] = inside ? blocks[(block * b + inner % b) * b + j % b] : 0.0f;
  }
}

__global__ void __launch_bounds__(kThreads)
    add_scaled_kernel(float* w, int64_t w_stride, const float* x, int64_t x_stride, float alpha, int64_t rows,
                      int64_t cols) {
  const int64_t c = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (c >= cols) return;
  for (int64_t r = blockIdx.y; r < rows; r += gridDim.y) w[r * w_stride + c] += alpha * x[r * x_stride + c];
}

void add_scaled(Context& context, MatrixView w, MatrixView x, float alpha) {
  add_scaled_kernel<<<grid_over(w.rows, w.cols, kThreads), kThreads, 0, context.stream()>>>(
      pointer(w), w.stride, pointer(x), x.stride, alpha, w.rows, w.cols);
  check_launch("add_scaled_kernel", w.rows, w.cols);
}

// Gathers h + damping·I into a's lower triangle and factorises it in place. a may be larger than h.
template <typename T>
bool factorize_gathered(Context& context, MatrixView a, MatrixView h, std::span<const int> order, float damping,
                        const Buffer& inverses) {
  const Buffer indices = to_device(context, order), flag(context, sizeof(int));
  GPTQ_CUDA(cudaMemsetAsync(flag.as(), 0, sizeof(int), context.stream()));
  gather_damped_kernel<<<grid_over(a.rows, a.rows, kThreads), kThreads, 0, context.stream()>>>(
      pointer<T>(a), a.stride, a.rows, pointer(h), h.stride, indices.as<int>(), h.rows, damping);
  check_launch("gather_damped_kernel", a.rows, a.rows);
  cholesky(context, a, inverses, flag.as<int>());
  int failed = 0;
  GPTQ_CUDA(cudaMemcpyAsync(&failed, flag.as(), sizeof(int), cudaMemcpyDeviceToHost, context.stream()));
  context.synchronize();
  return failed == 0;
}

template <typename T>
Buffer inverse_blocks(Context& context, int64_t size) {
  return {context, tiles(size, kCholeskyBlock) * static_cast<size_t>(kCholeskyBlock * kCholeskyBlock) * sizeof(T)};
}

template <typename T>
void keep_lower_triangle(Context& context, MatrixView s, MatrixView a) {
  lower_triangle_kernel<<<grid_over(s.rows, s.rows, kThreads), kThreads, 0, context.stream()>>>(
      pointer(s), s.stride, pointer<T>(a), a.stride, s.rows);
  check_launch("lower_triangle_kernel", s.rows, s.rows);
}

// Inverses of blocks of 2·b from those of b on the diagonal of s: [A 0; B C]⁻¹ = [A⁻¹ 0; −C⁻¹·B·A⁻¹ C⁻¹].
Buffer merge_inverses(Context& context, MatrixView s, const Buffer& inverses, int64_t b) {
  const int64_t pairs = s.rows / (2 * b);
  Buffer merged(context, static_cast<size_t>(s.rows * 2 * b) * sizeof(float));
  const Buffer product_memory(context, static_cast<size_t>(pairs * b * b) * sizeof(float));
  pair_blocks_kernel<<<static_cast<unsigned>(s.rows), kThreads, 0, context.stream()>>>(
      merged.as<float>(), inverses.as<float>(), static_cast<int>(b));
  check_launch("pair_blocks_kernel", s.rows, 2 * b);
  Blas::Product product;
  product.m = product.n = product.k = b;
  product.batches = static_cast<int>(pairs);
  product.a = {pointer(s) + b * s.stride, DType::kF32, s.stride, false};  // B
  product.a_step = 2 * b * (s.stride + 1);
  product.b = {inverses.as<float>(), DType::kF32, b, false};  // A⁻¹
  product.b_step = 2 * b * b;
  product.c = product_memory.as();
  product.c_stride = b;
  product.c_step = b * b;
  context.blas().multiply(product);
  product.alpha = -1;
  product.a = {inverses.as<float>() + b * b, DType::kF32, b, false};  // C⁻¹
  product.a_step = 2 * b * b;
  product.b = {product_memory.as(), DType::kF32, b, false};
  product.b_step = b * b;
  product.c = merged.as<float>() + b * 2 * b;
  product.c_stride = 2 * b;
  product.c_step = 4 * b * b;
  context.blas().multiply(product);
  return merged;
}

// x = x·(Sᵀ·S)⁻¹ for s [K, K], K a multiple of 512, and the inverses of its diagonal blocks        x [M, K]
void solve_normal_equations(Context& context, MatrixView x, MatrixView s, const Buffer& inverses) {
  const int64_t k = s.rows;
  const Buffer memory(context, static_cast<size_t>(x.rows * kSolveBlock) * sizeof(float));
  const MatrixView solved = f32_view(memory, x.rows, kSolveBlock);
  const auto solve_block = [&](int64_t begin, bool transposed) {
    Blas::Product product;
    product.m = x.rows;
    product.n = product.k = kSolveBlock;
    product.a = {x.column_range(begin, kSolveBlock).data, DType::kF32, x.stride, false};
    product.b = {inverses.as<float>() + begin * kSolveBlock, DType::kF32, kSolveBlock, transposed};
    product.c = solved.data;
    product.c_stride = kSolveBlock;
    context.blas().multiply(product);
    copy_matrix(context, x.column_range(begin, kSolveBlock), solved);
    return SplitOperand(context, solved, Side::kLeft, TermAxis::kColumns);
  };
  for (int64_t begin = k - kSolveBlock; begin >= 0; begin -= kSolveBlock) {  // y·S = x
    const SplitOperand left = solve_block(begin, false);
    if (begin == 0) break;
    const SplitOperand right(context, s.row_range(begin, kSolveBlock).column_range(0, begin), Side::kRight,
                             TermAxis::kRows);
    multiply_add(context, x.column_range(0, begin), -1.0, left, 0, right, 0);
  }
  for (int64_t begin = 0; begin < k; begin += kSolveBlock) {  // x·Sᵀ = y
    const SplitOperand left = solve_block(begin, true);
    const int64_t next = begin + kSolveBlock;
    if (next == k) break;
    const SplitOperand right(context, s.row_range(next, k - next).column_range(begin, kSolveBlock), Side::kRight,
                             TermAxis::kColumns);
    multiply_add(context, x.column_range(next, k - next), -1.0, left, 0, right, 0);
  }
}

// c = a·b                                                                      a [M, K]   b [K, N]   c [M, N]
void multiply(Context& context, MatrixView c, MatrixView a, MatrixView b) {
  clear(context, c);
  for (int64_t begin = 0; begin < a.cols; begin += kOuterColumns) {
    const int64_t terms = std::min(kOuterColumns, a.cols - begin);
    const SplitOperand left(context, a.column_range(begin, terms), Side::kLeft, TermAxis::kColumns);
    const SplitOperand right(context, b.row_range(begin, terms), Side::kRight, TermAxis::kRows);
    multiply_add(context, c, 1.0, left, 0, right, 0);
  }
}

}  // namespace

bool factorize(Context& context, MatrixView s, MatrixView h, std::span<const int> order, float damping, bool precise) {
  CHECK(s.rows == h.rows && static_cast<int64_t>(order.size()) == h.rows);
  const int64_t k = h.rows;
  if (!precise) {
    if (!factorize_gathered<float>(context, s, h, order, damping, inverse_blocks<float>(context, k))) return false;
    keep_lower_triangle<float>(context, s, s);
    return true;
  }
  const Buffer memory(context, static_cast<size_t>(k * k) * sizeof(double));
  const MatrixView wide{DType::kF64, memory.as(), k, k, k};
  if (!factorize_gathered<double>(context, wide, h, order, damping, inverse_blocks<double>(context, k))) return false;
  keep_lower_triangle<double>(context, s, wide);
  return true;
}

bool solve_gptaq_target(Context& context, MatrixView w, MatrixView d, MatrixView h, float damping, float alpha) {
  const int64_t k = h.rows, padded = tiles(k, kSolveBlock) * kSolveBlock;
  CHECK(w.cols == k && d.rows == k && d.cols == k);
  const Buffer memory(context, static_cast<size_t>(padded * padded) * sizeof(float));
  const MatrixView s = f32_view(memory, padded, padded);
  std::vector<int> natural(static_cast<size_t>(k));
  std::iota(natural.begin(), natural.end(), 0);
  Buffer inverses = inverse_blocks<float>(context, padded);
  if (!factorize_gathered<float>(context, s, h, natural, damping, inverses)) return false;
  for (int64_t b = kCholeskyBlock; b < kSolveBlock; b *= 2) inverses = merge_inverses(context, s, inverses, b);

  const bool few = w.rows < k;
  const int64_t rows = few ? w.rows : k;
  const Buffer solution_memory(context, static_cast<size_t>(rows * padded) * sizeof(float));
  const MatrixView solution = f32_view(solution_memory, rows, padded), unpadded = solution.column_range(0, k);
  clear(context, solution);
  if (few) {
    multiply(context, unpadded, w, d);
    solve_normal_equations(context, solution, s, inverses);
    add_scaled(context, w, unpadded, alpha);
    return true;
  }
  copy_matrix(context, unpadded, d);
  solve_normal_equations(context, solution, s, inverses);
  const int64_t strip = std::min(kGptaqRows, w.rows);
  const Buffer product_memory(context, static_cast<size_t>(strip * k) * sizeof(float));
  for (int64_t first = 0; first < w.rows; first += strip) {
    const MatrixView part = w.row_range(first, std::min(strip, w.rows - first));
    const MatrixView product = f32_view(product_memory, part.rows, k);
    multiply(context, product, part, unpadded);
    add_scaled(context, part, product, alpha);
  }
  return true;
}

}  // namespace gptq::backend::cuda
