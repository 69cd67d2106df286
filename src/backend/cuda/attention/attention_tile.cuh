// Tiles of 16-bit elements in shared memory, and loading them as tensor core operands, for both attention kernels.
//
// A tile is [rows, kD]. Its 16-byte chunks are permuted within each row so that the 8 rows of a matrix that ldmatrix
// reads are in different banks. Columns from head_dim to kD are zeros.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "backend/cuda/runtime/ptx.cuh"

namespace gptq::backend::cuda {

constexpr unsigned kAllLanes = 0xffffffffu;
constexpr float kLog2E = 1.4426950408889634f;

// The offset of chunk `chunk` (8 elements) of a row, in elements.
template <int kD>
__device__ __forceinline__ int chunk_offset(int row, int chunk) {
  constexpr int kChunks = kD / 8;
  constexpr int kRowsInBanks = kChunks >= 8 ? 1 : 8 / kChunks;  // rows of one pass over all 128 bytes of banks
  constexpr int kPermuted = kChunks >= 8 ? 8 : kChunks;
  return row * kD + (chunk ^ (row / kRowsInBanks % kPermuted)) * 8;
}

template <int kD>
__device__ __forceinline__ int element_offset(int row, int col) {
  return chunk_offset<kD>(row, col / 8) + col % 8;
}

// The 16×16 elements at (row, col) as four matrices. A lane's addresses are the same for all three kinds of operands.
//
// The operand a of mma_16x8x16.
template <int kD, typename Element>
__device__ __forceinline__ void load_a(uint32_t (&a)[4], const Element* tile, int row, int col, int lane) {
  load_matrices(a, tile + chunk_offset<kD>(row + lane % 16, col / 8 + lane / 16));
}

// Keys as operand b, [D, keys]: two of them, b[0..1] for keys row … row + 7 and b[2..3] for the next 8.
template <int kD, typename Element>
__device__ __forceinline__ void load_keys(uint32_t (&b)[4], const Element* tile, int row, int col, int lane) {
  uint32_t m[4];
  load_a<kD>(m, tile, row, col, lane);
  b[0] = m[0];
  b[1] = m[2];
  b[2] = m[1];
  b[3] = m[3];
}

// Values as operand b, [keys, D]: two of them, b[0..1] for columns col … col + 7 and b[2..3] for the next 8.
template <int kD, typename Element>
__device__ __forceinline__ void load_values(uint32_t (&b)[4], const Element* tile, int row, int col, int lane) {
  load_matrices_transposed(b, tile + chunk_offset<kD>(row + lane % 16, col / 8 + lane / 16));
}

// d += a · b with the first or second half of an operand of load_keys or load_values.
template <typename Element>
__device__ __forceinline__ void multiply_halves(float (&first)[4], float (&second)[4], const uint32_t (&a)[4],
                                                const uint32_t (&b)[4]) {
  const uint32_t low[2] = {b[0], b[1]}, high[2] = {b[2], b[3]};
  mma_16x8x16<Element>(first, a, low);
  mma_16x8x16<Element>(second, a, high);
}

// tanh to about 10⁻⁶, in five instructions.
__device__ __forceinline__ float tanh_of(float x) {
  return 1.0f - __fdividef(2.0f, exp2_approximate(2 * kLog2E * x) + 1.0f);
}

// Reduction over the four lanes that hold one row of an accumulator.
__device__ __forceinline__ float row_max(float value) {
  value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, 1));
  return fmaxf(value, __shfl_xor_sync(kAllLanes, value, 2));
}
__device__ __forceinline__ float row_sum(float value) {
  value += __shfl_xor_sync(kAllLanes, value, 1);
  return value + __shfl_xor_sync(kAllLanes, value, 2);
}

__device__ __forceinline__ float warp_max(float value) {
  for (int step = 16; step > 0; step /= 2) value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, step));
  return value;
}
__device__ __forceinline__ float warp_sum(float value) {
  for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(kAllLanes, value, step);
  return value;
}

}  // namespace gptq::backend::cuda
