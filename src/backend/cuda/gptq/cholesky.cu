// A = Sᵀ·S with S lower triangular: Cholesky from the last row to the first, so that nothing is reversed or inverted.
//
// For a block J of rows, from the last to the first:
//   S_JJᵀ·S_JJ = A_JJ        S[J, <J] = S_JJ⁻ᵀ·A[J, <J]        A[<J, <J] −= S[J, <J]ᵀ·S[J, <J]
//
//   work    64 rows per block. One block of threads factorises A_JJ and inverts its factor in registers; then a grid
//           computes the rest of the rows. Four blocks of rows form a panel: inside it, each block is updated before it
//           is factorised; all rows above it are updated at once, by tensor-core products with fp32 accuracy
//           (split_product.h), F64 by cuBLAS, in pieces of columns that cover little more than the lower triangle
//   bytes   the triangle is read and written once for every panel of 256 rows
//   time    K³/3 multiply-adds in the updates; 2·K/64 kernels one after the other, which dominate below K ≈ 8192
#include "backend/cuda/gptq/cholesky.h"

#include <algorithm>

#include "backend/cuda/gptq/split_product.h"
#include "backend/cuda/runtime/launch.h"

namespace gptq::backend::cuda {

namespace {

constexpr int kB = static_cast<int>(kCholeskyBlock);
constexpr int64_t kPanel = 256;
constexpr int kThreads = 256;  // as 16 × 16: each holds 4 × 4 elements of a block
constexpr int kSide = 16;
constexpr int kPart = 4;
constexpr int kDepth = 16;  // rows of the panel in shared memory at a time

__device__ __forceinline__ float root(float x) { return sqrtf(x); }
__device__ __forceinline__ double root(double x) { return sqrt(x); }

// Rows [first, first + kDepth) of the panel, columns [begin, begin + kB), zeros outside.
template <typename T>
__device__ __forceinline__ void load_tile(T (*tile)[kB], const T* a, int64_t stride, int64_t first, int64_t row_end,
                                          int64_t begin, int64_t column_end) {
  for (int i = threadIdx.x; i < kDepth * kB; i += kThreads) {
    const int64_t row = first + i / kB, column = begin + i % kB;
    tile[i / kB][i % kB] = row < row_end && column < column_end ? a[row * stride + column] : T(0);
  }
}

// Updates A_JJ, factorises it and inverts the factor.
//
// With R reversing a block: B = R·A_JJ·R = L̃·D·L̃ᵀ is eliminated column by column; the same row operations turn the
// identity into L̃⁻¹. Then S_JJ = R·(L̃·√D)ᵀ·R. Thread (ti, tj) holds elements (ti + 16·p, tj + 16·q).
template <typename T>
__global__ void __launch_bounds__(kThreads) diagonal_block_kernel(T* a, int64_t stride, int64_t begin, int64_t size,
                                                                  int64_t panel_end, T* inverse, int* failed) {
  __shared__ T tile[kDepth][kB];
  __shared__ T columns[2][kB], rows[2][kB], pivots[kB];
  const int ti = threadIdx.x / kSide, tj = threadIdx.x % kSide;
  T b[kPart][kPart], m[kPart][kPart];
  // Element (i, j) of B is element (size − 1 − i, size − 1 − j) of the block; its lower triangle is the block's upper
  // one, so the transposed element is read.
  for (int p = 0; p < kPart; ++p) {
    for (int q = 0; q < kPart; ++q) {
      const int64_t i = ti + kSide * p, j = tj + kSide * q;
      const bool inside = i < size && j < size && j <= i;
      b[p][q] = inside ? a[(begin + size - 1 - j) * stride + begin + size - 1 - i] : T(i == j);
      m[p][q] = T(i == j);
    }
  }
  for (int64_t first = begin + kB; first < panel_end; first += kDepth) {
    load_tile(tile, a, stride, first, panel_end, begin, begin + size);
    __syncthreads();
    for (int d = 0; d < kDepth; ++d) {
      T left[kPart], right[kPart];
      for (int p = 0; p < kPart; ++p) {
        const int64_t i = size - 1 - (ti + kSide * p), j = size - 1 - (tj + kSide * p);
        left[p] = i >= 0 ? tile[d][i] : T(0);
        right[p] = j >= 0 ? tile[d][j] : T(0);
      }
      for (int p = 0; p < kPart; ++p) {
        for (int q = 0; q < kPart; ++q) b[p][q] -= left[p] * right[q];
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int block = 0; block < kPart; ++block) {
    for (int step = 0; step < kSide; ++step) {
      const int k = block * kSide + step, buffer = k % 2;
      if (tj == step) {
        for (int p = 0; p < kPart; ++p) columns[buffer][ti + kSide * p] = b[p][block];
      }
      if (ti == step) {
        for (int q = 0; q < kPart; ++q) rows[buffer][tj + kSide * q] = m[block][q];
      }
      __syncthreads();
      const T pivot = columns[buffer][k], scale = T(1) / pivot;
      if (threadIdx.x == 0) pivots[k] = pivot;
      T factor[kPart];
      for (int p = 0; p < kPart; ++p) {
        const int i = ti + kSide * p;
        factor[p] = i > k ? columns[buffer][i] * scale : T(0);
      }
      for (int q = 0; q < kPart; ++q) {
        const int j = tj + kSide * q;
        const T column = j > k ? columns[buffer][j] : T(0), row = rows[buffer][j];
        for (int p = 0; p < kPart; ++p) {
          b[p][q] -= factor[p] * column;
          m[p][q] -= factor[p] * row;
        }
      }
    }
  }
  __syncthreads();
  for (int p = 0; p < kPart; ++p) {
    for (int q = 0; q < kPart; ++q) {
      const int64_t i = ti + kSide * p, j = tj + kSide * q;
      const bool inside = i < size && j < size;
      // Positions of the reversed and transposed element; outside the block they are the padding of the inverse.
      const int64_t row = inside ? size - 1 - j : i, column = inside ? size - 1 - i : j;
      inverse[row * kB + column] = j <= i ? m[p][q] / root(pivots[i]) : T(0);
      if (!inside || j > i) continue;
      const T pivot = pivots[j];
      a[(begin + row) * stride + begin + column] = i == j ? root(pivot) : b[p][q] / root(pivot);
      if (i == j && !(pivot > T(0) && pivot < T(INFINITY))) *failed = 1;
    }
  }
}

// S[J, c] = S_JJ⁻ᵀ·(A[J, c] − Σ S[panel rows below, J]ᵀ·S[panel rows below, c]) for 64 columns c left of J.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    row_block_kernel(T* a, int64_t stride, int64_t begin, int64_t size, int64_t panel_end, const T* inverse) {
  __shared__ T left[kDepth][kB], right[kDepth][kB], updated[kB][kB];
  const int ti = threadIdx.x / kSide, tj = threadIdx.x % kSide;
  const int64_t column = int64_t{blockIdx.x} * kB;  // whole blocks: only the last block of rows is short
  T sums[kPart][kPart];
  for (int p = 0; p < kPart; ++p) {
    for (int q = 0; q < kPart; ++q) {
      const int64_t i = ti + kSide * p, j = tj + kSide * q;
      sums[p][q] = i < size ? a[(begin + i) * stride + column + j] : T(0);
    }
  }
  for (int64_t first = begin + kB; first < panel_end; first += kDepth) {
    load_tile(left, a, stride, first, panel_end, begin, begin + size);
    load_tile(right, a, stride, first, panel_end, column, column + kB);
    __syncthreads();
    for (int d = 0; d < kDepth; ++d) {
      for (int p = 0; p < kPart; ++p) {
        for (int q = 0; q < kPart; ++q) sums[p][q] -= left[d][ti + kSide * p] * right[d][tj + kSide * q];
      }
    }
    __syncthreads();
  }
  for (int p = 0; p < kPart; ++p) {
    for (int q = 0; q < kPart; ++q) updated[ti + kSide * p][tj + kSide * q] = sums[p][q], sums[p][q] = T(0);
  }
  for (int first = 0; first < kB; first += kDepth) {
    load_tile(left, inverse, kB, first, kB, 0, kB);
    __syncthreads();
    for (int d = 0; d < kDepth; ++d) {
      for (int p = 0; p < kPart; ++p) {
        for (int q = 0; q < kPart; ++q) sums[p][q] += left[d][ti + kSide * p] * updated[first + d][tj + kSide * q];
      }
    }
    __syncthreads();
  }
  for (int p = 0; p < kPart; ++p) {
    for (int q = 0; q < kPart; ++q) {
      const int64_t i = ti + kSide * p, j = tj + kSide * q;
      if (i < size) a[(begin + i) * stride + column + j] = sums[p][q];
    }
  }
}

// Pieces of columns for an update of the lower triangle [size, size].
int64_t piece_columns(int64_t size) { return std::max<int64_t>(512, (size / 8 + kPanel - 1) / kPanel * kPanel); }

void update_above(Context& context, MatrixView above, MatrixView panel) {
  const int64_t size = above.rows, piece = piece_columns(size);
  const auto in_pieces = [&](auto&& update) {
    for (int64_t begin = 0; begin < size; begin += piece) {
      const int64_t width = std::min(piece, size - begin);
      update(above.row_range(begin, size - begin).column_range(begin, width), begin);
    }
  };
  if (above.dtype == DType::kF32) {
    const SplitOperand left(context, panel, Side::kLeft, TermAxis::kRows);
    const SplitOperand right(context, panel, Side::kRight, TermAxis::kRows);
    in_pieces([&](MatrixView c, int64_t begin) { multiply_add(context, c, -1.0, left, begin, right, begin); });
    return;
  }
  in_pieces([&](MatrixView c, int64_t begin) {
    Blas::Product product;
    product.m = c.rows;
    product.n = c.cols;
    product.k = panel.rows;
    product.alpha = -1;
    product.beta = 1;
    product.a = {panel.column_range(begin, c.rows).data, DType::kF64, panel.stride, true};
    product.b = {panel.column_range(begin, c.cols).data, DType::kF64, panel.stride, false};
    product.c = c.data;
    product.c_dtype = DType::kF64;
    product.c_stride = c.stride;
    context.blas().multiply(product);
  });
}

template <typename T>
void factorize_in_place(Context& context, MatrixView a, T* inverses, int* failed) {
  const int64_t k = a.rows;
  for (int64_t panel = (k - 1) / kPanel * kPanel; panel >= 0; panel -= kPanel) {
    const int64_t panel_end = std::min(k, panel + kPanel);
    for (int64_t begin = (panel_end - 1) / kB * kB; begin >= panel; begin -= kB) {
      const int64_t size = std::min<int64_t>(kB, k - begin);
      T* inverse = inverses + begin * kB;
      diagonal_block_kernel<<<1, kThreads, 0, context.stream()>>>(pointer<T>(a), a.stride, begin, size, panel_end,
                                                                  inverse, failed);
      check_launch("diagonal_block_kernel", size, size);
      if (begin == 0) return;
      row_block_kernel<<<tiles(begin, kB), kThreads, 0, context.stream()>>>(pointer<T>(a), a.stride, begin, size,
                                                                            panel_end, inverse);
      check_launch("row_block_kernel", size, begin);
    }
    update_above(context, a.row_range(0, panel).column_range(0, panel),
                 a.row_range(panel, panel_end - panel).column_range(0, panel));
  }
}

}  // namespace

void cholesky(Context& context, MatrixView a, const Buffer& inverses, int* failed) {
  CHECK(a.rows == a.cols);
  if (a.dtype == DType::kF32) {
    factorize_in_place(context, a, inverses.as<float>(), failed);
  } else {
    CHECK(a.dtype == DType::kF64);
    factorize_in_place(context, a, inverses.as<double>(), failed);
  }
}

}  // namespace gptq::backend::cuda
