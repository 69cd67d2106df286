// Elementwise and row-wise operations of the forward pass. All are memory-bound: each element is read and written once,
// by threads on consecutive columns; rows are distributed over the y dimension of the grid.
#include <algorithm>
#include <cmath>

#include "backend/cuda/elementwise/operations.h"
#include "backend/cuda/runtime/launch.h"
#include "backend/cuda/runtime/ptx.cuh"

namespace gptq::backend::cuda {

namespace {

constexpr int kThreads = 256;

// Calls body(T{}) with the type of `dtype`.
template <typename Body>
void with_type(DType dtype, const Body& body) {
  switch (dtype) {
    case DType::kF32: return body(float{});
    case DType::kF16: return body(__half{});
    default: CHECK(dtype == DType::kBF16); return body(__nv_bfloat16{});
  }
}

template <typename T>
__device__ __forceinline__ T converted(float value) {
  return from_float<T>(value);
}
template <>
__device__ __forceinline__ uint8_t converted(float value) {
  return static_cast<uint8_t>(value);
}

template <typename T>
__device__ __forceinline__ float widened(T value) {
  return to_float(value);
}
template <>
__device__ __forceinline__ float widened(uint8_t value) {
  return value;
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    from_float_kernel(T* to, int64_t stride, const float* from, int64_t rows, int64_t cols) {
  const int64_t c = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (c >= cols) return;
  for (int64_t r = blockIdx.y; r < rows; r += gridDim.y) to[r * stride + c] = converted<T>(from[r * cols + c]);
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    to_float_kernel(float* to, const T* from, int64_t stride, int64_t rows, int64_t cols) {
  const int64_t c = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (c >= cols) return;
  for (int64_t r = blockIdx.y; r < rows; r += gridDim.y) to[r * cols + c] = widened(from[r * stride + c]);
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    embed_kernel(float* out, int64_t stride, const int32_t* ids, const T* table, int64_t table_stride, int64_t cols) {
  wait_for_previous();
  const int64_t c = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  let_next_start();
  if (c < cols) out[blockIdx.y * stride + c] = to_float(table[ids[blockIdx.y] * table_stride + c]);
}

// Sum over a block of any multiple of 32 threads, in a fixed order.
__device__ float block_sum(float value) {
  __shared__ float partial[32];
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_xor_sync(~0u, value, offset);
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = value;
  __syncthreads();
  float total = 0;
  for (unsigned w = 0; w < blockDim.x / 32; ++w) total += partial[w];
  __syncthreads();
  return total;
}

struct NormParameters {
  const float* weight;
  const float* bias;  // or null
  int width;
  float eps;
};

template <typename X, typename Out, NormKind kKind>
__global__ void norm_kernel(Out* out, int64_t out_stride, const X* x, int64_t x_stride, NormParameters p,
                            int64_t rows) {
  const float count = static_cast<float>(p.width);
  for (int64_t r = blockIdx.y; r < rows; r += gridDim.y) {
    const X* from = x + r * x_stride + blockIdx.x * p.width;
    Out* to = out + r * out_stride + blockIdx.x * p.width;
    float mean = 0, squares = 0;
    if constexpr (kKind == NormKind::kLayer) {
      for (int i = threadIdx.x; i < p.width; i += blockDim.x) mean += to_float(from[i]);
      mean = block_sum(mean) / count;
    }
    for (int i = threadIdx.x; i < p.width; i += blockDim.x) {
      const float value = to_float(from[i]) - mean;
      squares += value * value;
    }
    const float factor = rsqrtf(block_sum(squares) / count + p.eps);
    for (int i = threadIdx.x; i < p.width; i += blockDim.x) {
      const float normed = (to_float(from[i]) - mean) * factor * p.weight[i];
      to[i] = from_float<Out>(p.bias == nullptr ? normed : normed + p.bias[i]);
    }
  }
}

constexpr int kNormThreads = 512;
constexpr int kNormVectors = static_cast<int>(kMaxNormed) / 4 / kNormThreads;  // of a thread

struct NormArguments {
  void* out;
  int64_t out_stride;
  const float* x;
  int64_t x_stride;
  const float* weight;
  const uint16_t* inverse_perm;
  int vectors;  // of a row
  float eps;
};

// One CTA per row, which is read once.
template <typename T>
__global__ void __launch_bounds__(kNormThreads) norm_inputs_kernel(const __grid_constant__ NormArguments p) {
  let_next_start();
  wait_for_previous();
  const float4* from = reinterpret_cast<const float4*>(p.x + blockIdx.x * p.x_stride);
  T* to = static_cast<T*>(p.out) + blockIdx.x * p.out_stride;
  float4 kept[kNormVectors];
  float squares = 0;
#pragma unroll
  for (int i = 0; i < kNormVectors; ++i) {
    const int at = static_cast<int>(threadIdx.x) + i * kNormThreads;
    kept[i] = at < p.vectors ? from[at] : float4{};
  }
#pragma unroll
  for (int i = 0; i < kNormVectors; ++i)
    squares += kept[i].x * kept[i].x + kept[i].y * kept[i].y + kept[i].z * kept[i].z + kept[i].w * kept[i].w;
  const float factor = rsqrtf(block_sum(squares) / static_cast<float>(4 * p.vectors) + p.eps);
#pragma unroll
  for (int i = 0; i < kNormVectors; ++i) {
    const int at = static_cast<int>(threadIdx.x) + i * kNormThreads;
    if (at >= p.vectors) continue;
    const float4 g = reinterpret_cast<const float4*>(p.weight)[at], v = kept[i];
    const uint2 result = {pack_pair<T>(v.x * factor * g.x, v.y * factor * g.y),
                          pack_pair<T>(v.z * factor * g.z, v.w * factor * g.w)};
    if (p.inverse_perm == nullptr) {
      reinterpret_cast<uint2*>(to)[at] = result;
    } else {
      const ushort4 targets = reinterpret_cast<const ushort4*>(p.inverse_perm)[at];
      const T* values = reinterpret_cast<const T*>(&result);
      to[targets.x] = values[0], to[targets.y] = values[1], to[targets.z] = values[2], to[targets.w] = values[3];
    }
  }
}

struct RopeArguments {
  const float* cos;
  const float* sin;
  const int32_t* positions;
  int64_t angle_stride;
  int head_dim, pairs;  // of a head: elements, and pairs that are rotated
  int step, partner;    // elements from one pair to the next, and from the first of a pair to the second
};

template <typename T>
__global__ void __launch_bounds__(kThreads)
    rope_kernel(T* x, int64_t stride, RopeArguments p, int64_t rows, int64_t pairs) {
  const int64_t pair = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (pair >= pairs) return;
  const int64_t i = pair % p.pairs, column = pair / p.pairs * p.head_dim + i * p.step;
  for (int64_t r = blockIdx.y; r < rows; r += gridDim.y) {
    T* a = x + r * stride + column;
    const int64_t at = p.positions[r] * p.angle_stride + i;
    const float c = p.cos[at], s = p.sin[at], first = to_float(a[0]), second = to_float(a[p.partner]);
    a[0] = from_float<T>(first * c - second * s);
    a[p.partner] = from_float<T>(second * c + first * s);
  }
}

__device__ __forceinline__ float activation(Activation kind, float x) {
  switch (kind) {
    case Activation::kSilu: return x / (1.0f + expf(-x));
    case Activation::kGelu: return 0.5f * x * (1.0f + erff(x * 0.70710678f));
    case Activation::kGeluTanh: return x / (1.0f + expf(-1.59576912f * (x + 0.044715f * x * x * x)));
    case Activation::kRelu: return fmaxf(x, 0.0f);
    default: return fmaxf(x, 0.0f) * fmaxf(x, 0.0f);  // kSquaredRelu
  }
}

template <typename T>
__global__ void __launch_bounds__(kThreads) activation_kernel(T* out, int64_t out_stride, const T* x, int64_t x_stride,
                                                              Activation kind, bool gated, int64_t rows, int64_t cols) {
  const int64_t c = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (c >= cols) return;
  for (int64_t r = blockIdx.y; r < rows; r += gridDim.y) {
    const float value = activation(kind, to_float(x[r * x_stride + c]));
    out[r * out_stride + c] = from_float<T>(gated ? value * to_float(x[r * x_stride + cols + c]) : value);
  }
}

// Eight columns per thread, if rows are aligned to 16 bytes.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    wide_activation_kernel(uint4* out, int64_t out_stride, const uint4* x, int64_t x_stride, Activation kind,
                           bool gated, int64_t rows, int64_t cols) {
  const int64_t c = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (c >= cols) return;
  for (int64_t r = blockIdx.y; r < rows; r += gridDim.y) {
    const uint4 gate = x[r * x_stride + c], up = gated ? x[r * x_stride + cols + c] : gate;
    uint4 result;
    for (int i = 0; i < 4; ++i) {
      const float2 g = unpack_pair<T>((&gate.x)[i]), u = unpack_pair<T>((&up.x)[i]);
      const float first = activation(kind, g.x), second = activation(kind, g.y);
      (&result.x)[i] = gated ? pack_pair<T>(first * u.x, second * u.y) : pack_pair<T>(first, second);
    }
    out[r * out_stride + c] = result;
  }
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    add_kernel(float* x, int64_t x_stride, const T* y, int64_t y_stride, int64_t rows, int64_t cols) {
  const int64_t c = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (c >= cols) return;
  for (int64_t r = blockIdx.y; r < rows; r += gridDim.y) x[r * x_stride + c] += to_float(y[r * y_stride + c]);
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    add_bias_kernel(T* y, int64_t stride, const float* bias, int64_t rows, int64_t cols) {
  const int64_t c = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (c >= cols) return;
  const float value = bias[c];
  for (int64_t r = blockIdx.y; r < rows; r += gridDim.y)
    y[r * stride + c] = from_float<T>(to_float(y[r * stride + c]) + value);
}

// x = factor · x, or with a cap cap · tanh(x / cap)
__global__ void __launch_bounds__(kThreads)
    scale_kernel(float* x, int64_t stride, float factor, float cap, int64_t rows, int64_t cols) {
  const int64_t c = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (c >= cols) return;
  for (int64_t r = blockIdx.y; r < rows; r += gridDim.y) {
    float& value = x[r * stride + c];
    value = cap > 0 ? cap * tanhf(value / cap) : value * factor;
  }
}

struct AppendArguments {
  const int32_t* pages;
  int64_t pages_per_sequence, page_size;
  const int32_t* row_starts;
  const int32_t* positions;
  int sequences;
};

// The sequence whose rows include row r.
__device__ __forceinline__ int sequence_of(const AppendArguments& p, int64_t r) {
  int low = 0, high = p.sequences - 1;
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (p.row_starts[middle] <= r) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

__global__ void __launch_bounds__(kThreads)
    append_kernel(uint16_t* cache, int64_t cache_stride, const uint16_t* from, int64_t stride, AppendArguments p,
                  int64_t rows, int64_t cols) {
  const int64_t c = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (c >= cols) return;
  for (int64_t r = blockIdx.y; r < rows; r += gridDim.y) {
    const int64_t position = p.positions[r];
    const int32_t* pages = p.pages + sequence_of(p, r) * p.pages_per_sequence;
    const int64_t slot = pages[position / p.page_size] * p.page_size + position % p.page_size;
    cache[slot * cache_stride + c] = from[r * stride + c];
  }
}

__global__ void __launch_bounds__(kThreads)
    cross_entropy_kernel(float* losses, const float* logits, int64_t stride, const int32_t* targets, int64_t cols) {
  __shared__ float highest_of_warp[kThreads / 32];
  const float* row = logits + blockIdx.x * stride;
  float highest = -INFINITY;
  for (int64_t c = threadIdx.x; c < cols; c += kThreads) highest = fmaxf(highest, row[c]);
  for (int offset = 16; offset > 0; offset /= 2) highest = fmaxf(highest, __shfl_xor_sync(~0u, highest, offset));
  if (threadIdx.x % 32 == 0) highest_of_warp[threadIdx.x / 32] = highest;
  __syncthreads();
  for (int w = 0; w < kThreads / 32; ++w) highest = fmaxf(highest, highest_of_warp[w]);
  float total = 0;
  for (int64_t c = threadIdx.x; c < cols; c += kThreads) total += expf(row[c] - highest);
  total = block_sum(total);
  if (threadIdx.x == 0) losses[blockIdx.x] = logf(total) + highest - row[targets[blockIdx.x]];
}

bool wide(MatrixView x) {
  return x.stride % 8 == 0 && x.cols % 8 == 0 && reinterpret_cast<uintptr_t>(x.data) % 16 == 0;
}

}  // namespace

void convert_from_float(Context& context, MatrixView to, const float* from) {
  if (to.rows == 0 || to.cols == 0) return;
  const dim3 grid = grid_over(to.rows, to.cols, kThreads);
  if (to.dtype == DType::kU8) {
    from_float_kernel<<<grid, kThreads, 0, context.stream()>>>(pointer<uint8_t>(to), to.stride, from, to.rows, to.cols);
  } else {
    with_type(to.dtype, [&](auto type) {
      using T = decltype(type);
      from_float_kernel<<<grid, kThreads, 0, context.stream()>>>(pointer<T>(to), to.stride, from, to.rows, to.cols);
    });
  }
  check_launch("convert", to.rows, to.cols);
}

void convert_to_float(Context& context, float* to, MatrixView from) {
  if (from.rows == 0 || from.cols == 0) return;
  const dim3 grid = grid_over(from.rows, from.cols, kThreads);
  if (from.dtype == DType::kU8) {
    to_float_kernel<<<grid, kThreads, 0, context.stream()>>>(to, pointer<uint8_t>(from), from.stride, from.rows,
                                                             from.cols);
  } else {
    with_type(from.dtype, [&](auto type) {
      using T = decltype(type);
      to_float_kernel<<<grid, kThreads, 0, context.stream()>>>(to, pointer<T>(from), from.stride, from.rows, from.cols);
    });
  }
  check_launch("convert", from.rows, from.cols);
}

void embed(Context& context, MatrixView out, const int32_t* ids, MatrixView table) {
  if (out.rows == 0) return;
  CHECK(out.dtype == DType::kF32 && out.rows <= 65535);
  with_type(table.dtype, [&](auto type) {
    using T = decltype(type);
    embed_kernel<<<dim3(tiles(out.cols, kThreads), static_cast<unsigned>(out.rows)), kThreads, 0, context.stream()>>>(
        pointer(out), out.stride, ids, pointer<T>(table), table.stride, out.cols);
  });
  check_launch("embed", out.rows, out.cols);
}

void norm_inputs(Context& context, MatrixView out, MatrixView x, const float* weight, float eps,
                 const uint16_t* inverse_perm, bool dependent) {
  NormArguments p{out.data, out.stride, pointer(x), x.stride, weight, inverse_perm, static_cast<int>(x.cols / 4), eps};
  const dim3 grid(static_cast<unsigned>(x.rows));
  if (out.dtype == DType::kF16)
    return launch_kernel(context, norm_inputs_kernel<__half>, grid, kNormThreads, 0, dependent, p);
  launch_kernel(context, norm_inputs_kernel<__nv_bfloat16>, grid, kNormThreads, 0, dependent, p);
}

void norm(Context& context, MatrixView out, MatrixView x, NormKind kind, MatrixView weight, MatrixView bias,
          float eps) {
  if (x.rows == 0) return;
  const int width = static_cast<int>(weight.cols);
  if (kind == NormKind::kRms && bias.data == nullptr && width == x.cols && x.dtype == DType::kF32 &&
      size_of(out.dtype) == 2 && width % 4 == 0 && width <= kMaxNormed && wide(x) && wide(out)) {
    return norm_inputs(context, out, x, pointer(weight), eps, nullptr, false);
  }
  CHECK(x.cols % width == 0 && out.cols == x.cols && out.rows == x.rows);
  const NormParameters p{pointer(weight), bias.data == nullptr ? nullptr : pointer(bias), width, eps};
  const dim3 grid(static_cast<unsigned>(x.cols / width), static_cast<unsigned>(std::min<int64_t>(x.rows, 65535)));
  const int threads = width <= 256 ? 32 : kThreads;
  with_type(x.dtype, [&](auto x_type) {
    with_type(out.dtype, [&](auto out_type) {
      using X = decltype(x_type);
      using Out = decltype(out_type);
      const auto kernel =
          kind == NormKind::kRms ? norm_kernel<X, Out, NormKind::kRms> : norm_kernel<X, Out, NormKind::kLayer>;
      kernel<<<grid, threads, 0, context.stream()>>>(pointer<Out>(out), out.stride, pointer<X>(x), x.stride, p, x.rows);
    });
  });
  check_launch("norm", x.rows, x.cols);
}

void rope(Context& context, MatrixView x, const RopeArgs& args, const int32_t* positions) {
  if (x.rows == 0) return;
  const MatrixView &cos = args.angles.cos, &sin = args.angles.sin;
  CHECK(cos.stride == sin.stride && 2 * cos.cols <= args.head_dim);
  const int pairs = static_cast<int>(cos.cols);
  const RopeArguments p{pointer(cos),
                        pointer(sin),
                        positions,
                        cos.stride,
                        args.head_dim,
                        pairs,
                        args.interleaved ? 2 : 1,
                        args.interleaved ? 1 : pairs};
  const int64_t all_pairs = x.cols / args.head_dim * pairs;
  with_type(x.dtype, [&](auto type) {
    using T = decltype(type);
    rope_kernel<<<grid_over(x.rows, all_pairs, kThreads), kThreads, 0, context.stream()>>>(pointer<T>(x), x.stride, p,
                                                                                           x.rows, all_pairs);
  });
  check_launch("rope", x.rows, x.cols);
}

void activate(Context& context, MatrixView out, MatrixView x, Activation kind, bool gated) {
  CHECK(x.cols == (gated ? 2 : 1) * out.cols);
  if (out.rows == 0) return;
  with_type(out.dtype, [&](auto type) {
    using T = decltype(type);
    if constexpr (sizeof(T) == 2) {
      if (wide(out) && wide(x)) {
        wide_activation_kernel<T><<<grid_over(out.rows, out.cols / 8, kThreads), kThreads, 0, context.stream()>>>(
            reinterpret_cast<uint4*>(out.data), out.stride / 8, reinterpret_cast<const uint4*>(x.data), x.stride / 8,
            kind, gated, out.rows, out.cols / 8);
        return;
      }
    }
    activation_kernel<<<grid_over(out.rows, out.cols, kThreads), kThreads, 0, context.stream()>>>(
        pointer<T>(out), out.stride, pointer<T>(x), x.stride, kind, gated, out.rows, out.cols);
  });
  check_launch("activate", out.rows, out.cols);
}

void add(Context& context, MatrixView x, MatrixView y) {
  CHECK(x.dtype == DType::kF32 && x.rows == y.rows && x.cols == y.cols);
  if (x.rows == 0) return;
  with_type(y.dtype, [&](auto type) {
    using T = decltype(type);
    add_kernel<<<grid_over(x.rows, x.cols, kThreads), kThreads, 0, context.stream()>>>(
        pointer(x), x.stride, pointer<T>(y), y.stride, x.rows, x.cols);
  });
  check_launch("add", x.rows, x.cols);
}

void add_bias(Context& context, MatrixView y, const float* bias) {
  if (y.rows == 0) return;
  with_type(y.dtype, [&](auto type) {
    using T = decltype(type);
    add_bias_kernel<<<grid_over(y.rows, y.cols, kThreads), kThreads, 0, context.stream()>>>(pointer<T>(y), y.stride,
                                                                                            bias, y.rows, y.cols);
  });
  check_launch("add_bias", y.rows, y.cols);
}

namespace {

void scale_or_cap(Context& context, MatrixView x, float factor, float cap) {
  if (x.rows == 0) return;
  scale_kernel<<<grid_over(x.rows, x.cols, kThreads), kThreads, 0, context.stream()>>>(pointer(x), x.stride, factor,
                                                                                       cap, x.rows, x.cols);
  check_launch("scale", x.rows, x.cols);
}

}  // namespace

void scale(Context& context, MatrixView x, float factor) { scale_or_cap(context, x, factor, 0); }
void soft_cap(Context& context, MatrixView x, float cap) { scale_or_cap(context, x, 1, cap); }

void append(Context& context, MatrixView cache, MatrixView x, const BatchRows& rows) {
  if (x.rows == 0) return;
  const AppendArguments p{
      pointer<int32_t>(rows.pages.pages),       rows.pages.pages.stride,          rows.pages.page_size,
      pointer<int32_t>(rows.device_row_starts), pointer<int32_t>(rows.positions), static_cast<int>(rows.sequences())};
  append_kernel<<<grid_over(x.rows, x.cols, kThreads), kThreads, 0, context.stream()>>>(
      pointer<uint16_t>(cache), cache.stride, pointer<uint16_t>(x), x.stride, p, x.rows, x.cols);
  check_launch("append", x.rows, x.cols);
}

void cross_entropy(Context& context, float* losses, MatrixView logits, const int32_t* targets) {
  if (logits.rows == 0) return;
  cross_entropy_kernel<<<static_cast<unsigned>(logits.rows), kThreads, 0, context.stream()>>>(
      losses, pointer(logits), logits.stride, targets, logits.cols);
  check_launch("cross_entropy", logits.rows, logits.cols);
}

}  // namespace gptq::backend::cuda
