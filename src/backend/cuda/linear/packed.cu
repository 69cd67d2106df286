// Conversion between the checkpoint's layout, tiles and dense matrices at load time, a few milliseconds for a 7B model.
#include <algorithm>
#include <functional>
#include <numeric>
#include <string_view>
#include <vector>

#include "backend/cuda/elementwise/operations.h"
#include "backend/cuda/gptq/gptq.h"
#include "backend/cuda/linear/packed.h"
#include "backend/cuda/runtime/launch.h"
#include "backend/cuda/runtime/ptx.cuh"
#include "core/half.h"

namespace gptq::backend::cuda {

namespace {

constexpr int kThreads = 256;

// Field `index` of a stream of `bits`-wide fields (core/packed_weight.h).
__device__ __forceinline__ uint32_t field(const uint32_t* words, int64_t index, int bits, int64_t stride) {
  const int64_t bit = index % 32 * bits, word = index / 32 * bits + bit / 32;
  const int shift = static_cast<int>(bit % 32);
  uint32_t value = words[word * stride] >> shift;
  if (shift + bits > 32) value |= words[(word + 1) * stride] << (32 - shift);
  return value & ((1u << bits) - 1u);
}

// One thread for the words of one lane of one tile.
__global__ void __launch_bounds__(kThreads)
    repack_kernel(uint32_t* tiles_out, const uint32_t* qweight, const int32_t* order, int bits, int64_t n_count,
                  int64_t k_count, int64_t tiles_count, uint32_t filler) {
  const int64_t index = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  const int64_t lane = index % 32, tile = index / 32 % tiles_count, block = index / 32 / tiles_count;
  if (block * kTileRows >= n_count) return;
  uint32_t words[8] = {};
  for (int s = 0; s < 4; ++s) {
    for (int f = 0; f < 4; ++f) {
      for (int h = 0; h < 2; ++h) {
        const int64_t position = tile * kTilePositions + s * 16 + lane % 4 * 2 + (f / 2) * 8 + h;
        const int64_t n = block * kTileRows + lane / 4 + f % 2 * 8;
        const uint32_t code = position < k_count
                                  ? field(qweight + n, order == nullptr ? position : order[position], bits, n_count)
                                  : filler;
        if (bits == 4) words[s] |= code << (4 * f + 16 * h);
        if (bits == 2 || bits == 3) words[s / 2] |= (code & 3u) << (8 * (s % 2) + 2 * f + 16 * h);
        if (bits == 3) words[2] |= (code >> 2) << (4 * s + f + 16 * h);
        if (bits == 8) words[2 * s + f / 2] |= code << (8 * (f % 2) + 16 * h);
      }
    }
  }
  uint32_t* out = tiles_out + (block * tiles_count + tile) * 32 * bits;
  for (int w = 0; w < bits; ++w) {
    out[bits == 8 ? w / 4 * 128 + lane * 4 + w % 4 : lane * bits + w] = words[w];
  }
}

// One thread for the scales and zeros of rows r and r + 8 of one group.
__global__ void __launch_bounds__(kThreads)
    repack_scales_kernel(uint32_t* out, const uint16_t* scales, const uint32_t* qzeros, int bits, bool sym,
                         int64_t n_count, int groups) {
  const int64_t index = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  const int64_t r = index % 8, g = index / 8 % (groups + kSpareGroups), block = index / 8 / (groups + kSpareGroups);
  if (block * kTileRows >= n_count) return;
  const int64_t n = block * kTileRows + r;
  const bool real = g < groups;
  uint32_t* to = out + index * (sym ? 1 : 2);
  to[0] = real ? uint32_t{scales[g * n_count + n]} | uint32_t{scales[g * n_count + n + 8]} << 16 : 0;
  if (sym) return;
  const uint32_t* zeros = qzeros + g * (n_count * bits / 32);
  to[1] = real ? field(zeros, n, bits, 1) | field(zeros, n + 8, bits, 1) << 16 : 0;
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    dequantize_checkpoint_kernel(T* to, const uint32_t* qweight, const uint16_t* scales, const uint32_t* qzeros,
                                 const int32_t* g_idx, int bits, int64_t n_count, int64_t k_count) {
  const int64_t n = int64_t{blockIdx.x} * kThreads + threadIdx.x, k = blockIdx.y;
  if (n >= n_count) return;
  const int64_t g = g_idx[k];
  const float code = field(qweight + n, k, bits, n_count), zero = field(qzeros + g * (n_count * bits / 32), n, bits, 1);
  to[n * k_count + k] = from_float<T>(__half2float(__ushort_as_half(scales[g * n_count + n])) * (code - zero));
}

// A warp dequantizes 16 outputs × 64 inputs, one word of codes per lane and step.
template <typename T>
__global__ void __launch_bounds__(kThreads) dequantize_kernel(T* to, int64_t stride, const PackedView w) {
  const int64_t warp = (int64_t{blockIdx.x} * kThreads + threadIdx.x) / 32;
  const int lane = threadIdx.x % 32, row = lane / 4;
  const int64_t block = warp / w.tiles, tile = warp % w.tiles;
  if (block * kTileRows >= w.n) return;
  const uint32_t* words = w.codes + warp * 32 * w.bits;
  const uint32_t* scales = w.scales + block * (w.groups + kSpareGroups) * 8 * (w.sym ? 1 : 2);
  const float middle = static_cast<float>(1 << (w.bits - 1));
  for (int s = 0; s < 4; ++s) {
    const int64_t first = tile * kTilePositions + s * 16 + lane % 4 * 2;  // and 1, 8, 9 after it
    if (first >= w.k) return;  // K is a multiple of 32: the four positions are all inside or all outside
    const int g = static_cast<int>((tile * 4 + s) / w.group_steps);
    const uint32_t* at = scales + (g * 8 + row) * (w.sym ? 1 : 2);
    const float2 scale = __half22float2(*reinterpret_cast<const __half2*>(at));
    const float zero[2] = {w.sym ? middle : static_cast<float>(at[1] & 0xFFFFu),
                           w.sym ? middle : static_cast<float>(at[1] >> 16)};
    float values[2][4];  // rows r and r + 8, four positions
    for (int f = 0; f < 4; ++f) {
      for (int h = 0; h < 2; ++h) {
        uint32_t code;
        if (w.bits == 4) {
          code = words[lane * 4 + s] >> (4 * f + 16 * h) & 15u;
        } else if (w.bits == 8) {
          const int i = 2 * s + f / 2;
          code = words[i / 4 * 128 + lane * 4 + i % 4] >> (8 * (f % 2) + 16 * h) & 255u;
        } else {
          code = words[lane * w.bits + s / 2] >> (8 * (s % 2) + 2 * f + 16 * h) & 3u;
          if (w.bits == 3) code |= (words[lane * 3 + 2] >> (4 * s + f + 16 * h) & 1u) << 2;
        }
        values[f % 2][f / 2 * 2 + h] = (f % 2 ? scale.y : scale.x) * (static_cast<float>(code) - zero[f % 2]);
      }
    }
    for (int half = 0; half < 2; ++half) {
      T* out = to + (block * kTileRows + row + 8 * half) * stride;
      if (w.perm == nullptr) {
        *reinterpret_cast<uint32_t*>(out + first) = pack_pair<T>(values[half][0], values[half][1]);
        *reinterpret_cast<uint32_t*>(out + first + 8) = pack_pair<T>(values[half][2], values[half][3]);
      } else {
        for (int i = 0; i < 4; ++i) out[w.perm[first + i / 2 * 8 + i % 2]] = from_float<T>(values[half][i]);
      }
    }
  }
}

__global__ void __launch_bounds__(kThreads)
    sort_inputs_kernel(uint16_t* to, int64_t to_stride, const uint16_t* from, int64_t from_stride,
                       const uint16_t* inputs, int64_t rows, int64_t cols) {
  const int64_t p = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (p >= cols) return;
  const int input = inputs[p];
  for (int64_t m = blockIdx.y; m < rows; m += gridDim.y) to[m * to_stride + p] = from[m * from_stride + input];
}

Buffer bias_of(Context& context, const TensorView* bias) {
  if (bias == nullptr) return {};
  Buffer values(context, static_cast<size_t>(bias->size()) * sizeof(float));
  load(context, {DType::kF32, values.as(), 1, bias->size(), bias->size()},
       {bias->dtype, {1, bias->size()}, bias->data});
  return values;
}

template <typename Body>
void with_half_type(DType dtype, const Body& body) {
  if (dtype == DType::kF16) return body(__half{});
  body(__nv_bfloat16{});
}

struct Order {
  bool regular = true;          // equal groups of a multiple of 16
  std::vector<int32_t> inputs;  // [K] input at each position; empty: natural
};

Order sort_by_group(const PackedWeight& w) {
  const std::span<const int32_t> g_idx = w.g_idx.values<int32_t>();
  Order order;
  order.inputs.resize(g_idx.size());
  std::iota(order.inputs.begin(), order.inputs.end(), 0);
  if (!std::is_sorted(g_idx.begin(), g_idx.end())) {
    std::stable_sort(order.inputs.begin(), order.inputs.end(), [&](int32_t a, int32_t b) {
      return g_idx[static_cast<size_t>(a)] < g_idx[static_cast<size_t>(b)];
    });
  }
  for (size_t p = 0; p < g_idx.size(); ++p) {
    order.regular &=
        g_idx[static_cast<size_t>(order.inputs[p])] == static_cast<int32_t>(static_cast<int64_t>(p) / w.group_size);
  }
  order.regular &= w.group_size % 16 == 0 && w.in_features <= 65536 && w.out_features % kTileRows == 0;
  if (std::is_sorted(order.inputs.begin(), order.inputs.end())) order.inputs.clear();
  return order;
}

// Whether every zero point is `zero`, word by word.
bool has_only_zeros(const PackedWeight& w, uint32_t zero) {
  int32_t pattern[8] = {};
  for (int64_t i = 0; i < 32; ++i) pack_field(pattern, i, w.bits, zero);
  const std::span<const int32_t> words = w.qzeros.values<int32_t>();
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] != pattern[i % static_cast<size_t>(w.bits)]) return false;
  }
  return true;
}

}  // namespace

std::unique_ptr<CudaWeight> make_dense_weight(Context& context, DType dtype, const TensorView& weight,
                                              const TensorView* bias) {
  auto result = std::make_unique<CudaWeight>();
  result->n = weight.shape[0];
  result->k = weight.shape[1];
  result->dtype = dtype;
  result->codes = Buffer(context, static_cast<size_t>(weight.size()) * 2);
  if (weight.dtype == dtype) {
    context.upload(result->codes.as(), weight.data, weight.bytes());
  } else {
    const Buffer wide(context, static_cast<size_t>(weight.size()) * sizeof(float));
    load(context, {DType::kF32, wide.as(), result->n, result->k, result->k}, weight);
    convert_from_float(context, result->dense(), wide.as<float>());
  }
  result->bias_values = bias_of(context, bias);
  return result;
}

std::unique_ptr<CudaWeight> make_packed_weight(Context& context, DType dtype, const PackedWeight& weight) {
  auto result = std::make_unique<CudaWeight>();
  const int64_t n = weight.out_features, k = weight.in_features;
  result->n = n;
  result->k = k;
  result->dtype = dtype;
  const TensorView bias = weight.bias.view();
  result->bias_values = bias_of(context, weight.bias.empty() ? nullptr : &bias);

  const Buffer qweight = to_device(context, weight.words());
  const Buffer qzeros = to_device(context, weight.qzeros.values<int32_t>());
  const Buffer scales = to_device(context, weight.scales.values<Half>());
  const Order sorted = sort_by_group(weight);
  if (!sorted.regular) {
    const Buffer g_idx = to_device(context, weight.g_idx.values<int32_t>());
    result->codes = Buffer(context, static_cast<size_t>(n * k) * 2);
    with_half_type(dtype, [&](auto type) {
      using T = decltype(type);
      dequantize_checkpoint_kernel<<<dim3(tiles(n, kThreads), static_cast<unsigned>(k)), kThreads, 0,
                                     context.stream()>>>(result->codes.as<T>(), qweight.as<uint32_t>(),
                                                         scales.as<uint16_t>(), qzeros.as<uint32_t>(),
                                                         g_idx.as<int32_t>(), weight.bits, n, k);
    });
    check_launch("dequantize_checkpoint", n, k);
    return result;
  }

  const uint32_t middle = 1u << (weight.bits - 1);
  const bool sym = has_only_zeros(weight, middle);
  PackedView& view = result->packed;
  view.bits = weight.bits;
  view.sym = sym;
  view.n = n;
  view.k = k;
  view.tiles = (k + kTilePositions - 1) / kTilePositions;
  view.groups = static_cast<int>(weight.groups());
  view.group_steps = static_cast<int>(weight.group_size / 16);
  const int64_t blocks = n / kTileRows;
  result->codes = Buffer(context, static_cast<size_t>(blocks * view.tiles * 32 * weight.bits) * 4);
  result->scales = Buffer(context, static_cast<size_t>(blocks * (view.groups + kSpareGroups) * 8 * (sym ? 1 : 2)) * 4);
  Buffer order;
  if (!sorted.inputs.empty()) {
    order = to_device(context, std::span<const int32_t>(sorted.inputs));
    std::vector<uint16_t> inverse_perm(static_cast<size_t>(2 * k));  // inverse_perm, then inputs
    for (size_t p = 0; p < static_cast<size_t>(k); ++p) {
      inverse_perm[static_cast<size_t>(sorted.inputs[p])] = static_cast<uint16_t>(p);
      inverse_perm[static_cast<size_t>(k) + p] = static_cast<uint16_t>(sorted.inputs[p]);
    }
    result->inverse_perm = to_device(context, std::span<const uint16_t>(inverse_perm));
    view.inverse_perm = result->inverse_perm.as<uint16_t>();
    view.perm = view.inverse_perm + k;
    result->order_hash =
        std::hash<std::string_view>()({reinterpret_cast<const char*>(inverse_perm.data()), inverse_perm.size() * 2}) |
        1;
  }
  repack_kernel<<<tiles(blocks * view.tiles * 32, kThreads), kThreads, 0, context.stream()>>>(
      result->codes.as<uint32_t>(), qweight.as<uint32_t>(), order.as<int32_t>(), weight.bits, n, k, view.tiles, middle);
  check_launch("repack", n, k);
  repack_scales_kernel<<<tiles(blocks * (view.groups + kSpareGroups) * 8, kThreads), kThreads, 0, context.stream()>>>(
      result->scales.as<uint32_t>(), scales.as<uint16_t>(), qzeros.as<uint32_t>(), weight.bits, sym, n, view.groups);
  check_launch("repack_scales", n, k);
  view.codes = result->codes.as<uint32_t>();
  view.scales = result->scales.as<uint32_t>();
  return result;
}

void dequantize(Context& context, MatrixView to, const PackedView& weight, bool sorted) {
  PackedView view = weight;
  if (sorted) view.perm = nullptr;
  CHECK(to.rows == weight.n && to.cols == weight.k);
  with_half_type(to.dtype, [&](auto type) {
    using T = decltype(type);
    dequantize_kernel<<<tiles(weight.n / kTileRows * weight.tiles * 32, kThreads), kThreads, 0, context.stream()>>>(
        pointer<T>(to), to.stride, view);
  });
  check_launch("dequantize", weight.n, weight.k);
}

void dense_linear(Context& context, MatrixView y, MatrixView x, MatrixView weight, const float* bias) {
  Blas::Product p;
  p.m = y.rows;
  p.n = y.cols;
  p.k = x.cols;
  p.a = {x.data, x.dtype, x.stride, false};
  p.b = {weight.data, weight.dtype, weight.stride, true};
  p.c = y.data;
  p.c_dtype = y.dtype;
  p.c_stride = y.stride;
  context.blas().multiply(p);
  if (bias != nullptr) add_bias(context, y, bias);
}

void sort_inputs(Context& context, MatrixView to, MatrixView from, const uint16_t* inputs) {
  sort_inputs_kernel<<<grid_over(to.rows, to.cols, kThreads), kThreads, 0, context.stream()>>>(
      pointer<uint16_t>(to), to.stride, pointer<uint16_t>(from), from.stride, inputs, to.rows, to.cols);
  check_launch("sort_inputs", to.rows, to.cols);
}

}  // namespace gptq::backend::cuda
