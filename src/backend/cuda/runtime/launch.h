// Common code of kernel files: typed pointers into matrices, grid sizes, small arrays on the device.
#pragma once

#include <cstdint>
#include <span>

#include "backend/cuda/device/context.h"
#include "backend/matrix.h"

namespace gptq::backend::cuda {

template <typename T = float>
T* pointer(MatrixView x) {
  CHECK(sizeof(T) == static_cast<size_t>(size_of(x.dtype)));
  return reinterpret_cast<T*>(x.data);
}

inline unsigned tiles(int64_t size, int64_t tile) { return static_cast<unsigned>((size + tile - 1) / tile); }

// Blocks of threads cover `columns_per_block` columns; rows are distributed over the y dimension of the grid, which is
// limited to 65535: kernels advance by gridDim.y rows.
inline dim3 grid_over(int64_t rows, int64_t cols, int64_t columns_per_block) {
  return dim3(tiles(cols, columns_per_block), static_cast<unsigned>(rows < 65535 ? rows : 65535));
}

inline MatrixView f32_view(const Buffer& buffer, int64_t rows, int64_t cols) {
  CHECK(static_cast<size_t>(rows * cols) * sizeof(float) <= buffer.bytes());
  return {DType::kF32, buffer.as<std::byte>(), rows, cols, cols};
}

// `dependent`: by programmatic dependent launch, if the device supports it: the kernel starts before the previous one
// is done and waits for it itself (ptx.cuh).
template <typename Arguments>
void launch_kernel(const Context& context, void (*kernel)(Arguments), dim3 grid, int threads, size_t shared_bytes,
                   bool dependent, const Arguments& arguments) {
  GPTQ_CUDA(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes)));
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = dim3(static_cast<unsigned>(threads));
  config.dynamicSmemBytes = shared_bytes;
  config.stream = context.stream();
  config.attrs = &attribute;
  config.numAttrs = dependent && context.has_dependent_launch() ? 1 : 0;
  GPTQ_CUDA(cudaLaunchKernelEx(&config, kernel, arguments));
}

template <typename T>
Buffer to_device(Context& context, std::span<const T> values) {
  Buffer buffer(context, values.size_bytes());
  context.upload(buffer.as(), values.data(), values.size_bytes());
  return buffer;
}

}  // namespace gptq::backend::cuda
