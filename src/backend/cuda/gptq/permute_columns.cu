// Conversion of weights and codes: stored tensors to fp32, permutation of columns, packing of codes.
//
//   work    a thread for each element of a row; packing: a thread for 32 codes of one output
//   bytes   each element read once and written once; gathered rows stay in the L1 cache while they are read
#include "backend/cuda/gptq/gptq.h"
#include "backend/cuda/runtime/launch.h"
#include "backend/cuda/runtime/ptx.cuh"

namespace gptq::backend::cuda {

namespace {

constexpr int kThreads = 256;

__device__ __forceinline__ float stored_to_float(double value) { return static_cast<float>(value); }
template <typename T>
__device__ __forceinline__ float stored_to_float(T value) {
  return to_float(value);
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    convert_kernel(float* to, int64_t stride, const T* from, int64_t rows, int64_t cols) {
  const int64_t c = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (c >= cols) return;
  for (int64_t r = blockIdx.y; r < rows; r += gridDim.y) to[r * stride + c] = stored_to_float(from[r * cols + c]);
}

__global__ void __launch_bounds__(kThreads)
    gather_kernel(float* to, int64_t to_stride, const float* from, int64_t from_stride, const int* order, int64_t rows,
                  int64_t cols) {
  const int64_t c = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (c >= cols) return;
  const int column = order[c];
  for (int64_t r = blockIdx.y; r < rows; r += gridDim.y) to[r * to_stride + c] = from[r * from_stride + column];
}

__global__ void __launch_bounds__(kThreads)
    subtract_kernel(float* to, int64_t to_stride, const float* from, int64_t from_stride, const int* order,
                    int64_t rows, int64_t cols) {
  const int64_t c = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (c >= cols) return;
  const int column = order[c];
  for (int64_t r = blockIdx.y; r < rows; r += gridDim.y) to[r * to_stride + column] -= from[r * from_stride + c];
}

// Packs 32 codes of one output into `bits` words.   words [K·bits/32, N]   inverse_perm [K]: row of codes of each input
__global__ void __launch_bounds__(kThreads) pack_kernel(uint32_t* words, const uint8_t* codes, int64_t stride,
                                                        const int* inverse_perm, int bits, int64_t count) {
  const int64_t n = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (n >= count) return;
  uint32_t* out = words + int64_t{blockIdx.y} * bits * count + n;
  uint64_t field = 0;
  int filled = 0;
  for (int i = 0; i < 32; ++i) {
    field |= uint64_t{codes[inverse_perm[blockIdx.y * 32 + i] * stride + n]} << filled;
    filled += bits;
    if (filled >= 32) {
      *out = static_cast<uint32_t>(field);
      out += count;
      field >>= 32;
      filled -= 32;
    }
  }
}

template <typename T>
void convert(Context& context, MatrixView to, const Buffer& from) {
  convert_kernel<<<grid_over(to.rows, to.cols, kThreads), kThreads, 0, context.stream()>>>(
      pointer(to), to.stride, from.as<T>(), to.rows, to.cols);
  check_launch("convert_kernel", to.rows, to.cols);
}

}  // namespace

void clear(Context& context, MatrixView x) {
  const size_t element = static_cast<size_t>(size_of(x.dtype));
  GPTQ_CUDA(cudaMemset2DAsync(x.data, static_cast<size_t>(x.stride) * element, 0, static_cast<size_t>(x.cols) * element,
                              static_cast<size_t>(x.rows), context.stream()));
}

void copy_matrix(Context& context, MatrixView to, MatrixView from) {
  CHECK(to.dtype == DType::kF32 && from.dtype == DType::kF32 && to.rows == from.rows && to.cols == from.cols);
  GPTQ_CUDA(cudaMemcpy2DAsync(to.data, static_cast<size_t>(to.stride) * sizeof(float), from.data,
                              static_cast<size_t>(from.stride) * sizeof(float),
                              static_cast<size_t>(to.cols) * sizeof(float), static_cast<size_t>(to.rows),
                              cudaMemcpyDeviceToDevice, context.stream()));
}

void load(Context& context, MatrixView to, const TensorView& from) {
  CHECK(from.shape == (Shape{to.rows, to.cols}));
  if (to.rows == 0 || to.cols == 0) return;
  const Buffer stored = to_device(context, std::span(from.data, from.bytes()));
  switch (from.dtype) {
    case DType::kF32: return convert<float>(context, to, stored);
    case DType::kF16: return convert<__half>(context, to, stored);
    case DType::kBF16: return convert<__nv_bfloat16>(context, to, stored);
    default: CHECK(from.dtype == DType::kF64); return convert<double>(context, to, stored);
  }
}

void gather_columns(Context& context, MatrixView to, MatrixView from, std::span<const int> order) {
  CHECK(to.rows == from.rows && to.cols == static_cast<int64_t>(order.size()));
  if (to.rows == 0 || to.cols == 0) return;
  const Buffer columns = to_device(context, order);
  gather_kernel<<<grid_over(to.rows, to.cols, kThreads), kThreads, 0, context.stream()>>>(
      pointer(to), to.stride, pointer(from), from.stride, columns.as<int>(), to.rows, to.cols);
  check_launch("gather_kernel", to.rows, to.cols);
}

void subtract_columns(Context& context, MatrixView to, MatrixView from, std::span<const int> order) {
  CHECK(to.rows == from.rows && from.cols == static_cast<int64_t>(order.size()));
  if (from.rows == 0 || from.cols == 0) return;
  const Buffer columns = to_device(context, order);
  subtract_kernel<<<grid_over(from.rows, from.cols, kThreads), kThreads, 0, context.stream()>>>(
      pointer(to), to.stride, pointer(from), from.stride, columns.as<int>(), from.rows, from.cols);
  check_launch("subtract_kernel", from.rows, from.cols);
}

Tensor pack_codes(Context& context, MatrixView codes, std::span<const int> order, int bits, int64_t first,
                  int64_t count) {
  CHECK(codes.rows == static_cast<int64_t>(order.size()) && codes.rows % 32 == 0 && first + count <= codes.cols);
  std::vector<int> inverse_perm(order.size());
  for (size_t j = 0; j < order.size(); ++j) inverse_perm[static_cast<size_t>(order[j])] = static_cast<int>(j);
  const Buffer targets = to_device(context, std::span<const int>(inverse_perm));
  Tensor words = Tensor::uninitialized(DType::kI32, {codes.rows * bits / 32, count});
  const Buffer packed(context, words.bytes());
  const dim3 grid(tiles(count, kThreads), static_cast<unsigned>(codes.rows / 32));
  pack_kernel<<<grid, kThreads, 0, context.stream()>>>(packed.as<uint32_t>(), pointer<uint8_t>(codes) + first,
                                                       codes.stride, targets.as<int>(), bits, count);
  check_launch("pack_kernel", codes.rows, count);
  GPTQ_CUDA(cudaMemcpyAsync(words.data(), packed.as(), words.bytes(), cudaMemcpyDeviceToHost, context.stream()));
  context.synchronize();
  return words;
}

}  // namespace gptq::backend::cuda
