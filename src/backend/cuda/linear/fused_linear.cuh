// Common code of the fused linear kernels: tensor-core operands from packed tiles, and storing results.
#pragma once

#include "backend/cuda/linear/fused_linear.h"
#include "backend/cuda/runtime/ptx.cuh"

namespace gptq::backend::cuda {

// ---- operands. The type in which codes are converted: a code in the lowest mantissa bits of kOffset, minus the zero
// point in the same form, is the exact difference. Eight bits do not fit in bf16's mantissa with the offset, so their
// difference is computed in fp16.
template <typename T, int kBits>
using NumberType = std::conditional_t<kBits == 8, __half, T>;
template <typename T>
constexpr uint32_t kOffset = std::is_same_v<T, __half> ? 0x6400u : 0x4300u;  // 1024 and 128

template <typename T, int kBits>
__device__ __forceinline__ uint32_t difference(uint32_t code, uint32_t zero) {
  using Number = NumberType<T, kBits>;
  if constexpr (std::is_same_v<Number, __half>) {
    const __half2 d = __hsub2(*reinterpret_cast<const __half2*>(&code), *reinterpret_cast<const __half2*>(&zero));
    if constexpr (std::is_same_v<T, __half>) return *reinterpret_cast<const uint32_t*>(&d);
    const float2 pair = __half22float2(d);
    return pack_pair<T>(pair.x, pair.y);
  } else {
    const __nv_bfloat162 d =
        __hsub2(*reinterpret_cast<const __nv_bfloat162*>(&code), *reinterpret_cast<const __nv_bfloat162*>(&zero));
    return *reinterpret_cast<const uint32_t*>(&d);
  }
}

// The words of a lane's codes in a tile (packed.h).
template <int kBits>
__device__ __forceinline__ void load_codes(uint32_t (&words)[kBits], const std::byte* tile, int lane) {
  if constexpr (kBits == 4 || kBits == 8) {
    for (int half = 0; half < kBits / 4; ++half) {
      const uint4 four = *reinterpret_cast<const uint4*>(tile + half * 512 + lane * 16);
      words[4 * half] = four.x, words[4 * half + 1] = four.y, words[4 * half + 2] = four.z,
                words[4 * half + 3] = four.w;
    }
  } else {
    for (int w = 0; w < kBits; ++w) words[w] = reinterpret_cast<const uint32_t*>(tile)[lane * kBits + w];
  }
}

// Registers of operand a for step `s`. `zero` are pairs of the zero point of rows r and r + 8, offset included;
// `offset` is a pair of kOffset in a register.
template <typename T, int kBits>
__device__ __forceinline__ void make_operand(uint32_t (&a)[4], const uint32_t (&words)[kBits], int s,
                                             const uint32_t (&zero)[2], uint32_t offset) {
  uint32_t codes[4];
  for (int f = 0; f < 4; ++f) {
    if constexpr (kBits == 4) {
      codes[f] = and_or(words[s] >> (4 * f), 0x000F000Fu, offset);
    } else if constexpr (kBits == 8) {
      codes[f] = and_or(words[2 * s + f / 2] >> (8 * (f % 2)), 0x00FF00FFu, offset);
    } else {
      codes[f] = and_or(words[s / 2] >> (8 * (s % 2) + 2 * f), 0x00030003u, offset);
      if constexpr (kBits == 3) codes[f] |= (words[2] >> (4 * s + f) & 0x00010001u) << 2;
    }
    a[f] = difference<T, kBits>(codes[f], zero[f % 2]);
  }
}

// From an entry's zeros: pairs of the zero points of rows r and r + 8, including the offset.
template <typename T, int kBits>
__device__ __forceinline__ void make_zeros(uint32_t (&zero)[2], uint32_t pair) {
  constexpr uint32_t kNumberOffset = kOffset<NumberType<T, kBits>>;
  zero[0] = (kNumberOffset + (pair & 0xFFFFu)) * 0x10001u;
  zero[1] = (kNumberOffset + (pair >> 16)) * 0x10001u;
}
template <typename T, int kBits>
constexpr uint32_t kMiddleZeros = (kOffset<NumberType<T, kBits>> + (kBits < 16 ? 1u << (kBits - 1) : 0u)) *
                                  0x10001u;  // of symmetric grids

// ---- results
struct BlockCoord {
  int part, block;  // block within the part
};
__device__ __forceinline__ BlockCoord coord_of(const LinearArguments& p, int block, int half) {
  if (p.gated) return {half, block};
  static_assert(FusedLinear::kMaxParts == 3);
  const int part = (block >= p.parts[1].begin) + (block >= p.parts[2].begin);
  return {part, block - p.parts[part].begin};
}

// The column of output `n` of a part, and its bias.
struct OutputColumn {
  int64_t column;
  float bias, up_bias;

  __device__ __forceinline__ OutputColumn(const LinearArguments& p, int part, int n) {
    column = p.output_perm == nullptr ? n : p.output_perm[n];
    for (int before = 0; before < part; ++before) column += p.parts[before].n;
    bias = p.parts[part].bias == nullptr ? 0.0f : p.parts[part].bias[n];
    up_bias = !p.gated || p.parts[1].bias == nullptr ? 0.0f : p.parts[1].bias[n];
  }
};

// Stores one result: bias, SiLU, residual; rounded as by the separate operations. `up` is used with gated weights only.
template <typename T>
__device__ __forceinline__ void store_output(const LinearArguments& p, const OutputColumn& c, int m, float value,
                                             float up) {
  value += c.bias;
  if (p.gated) {
    const float gate = to_float(from_float<T>(value));
    value = gate / (1.0f + expf(-gate)) * to_float(from_float<T>(up + c.up_bias));
  }
  const int64_t at = m * p.y_stride + c.column;
  if (p.residual) {
    static_cast<float*>(p.y)[at] += to_float(from_float<T>(value));
  } else if (p.y_is_float) {
    static_cast<float*>(p.y)[at] = value;
  } else {
    static_cast<T*>(p.y)[at] = from_float<T>(value);
  }
}

}  // namespace gptq::backend::cuda
