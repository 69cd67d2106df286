// The quantization grid of one group of one row, as backend/grid.h defines it, for kernels.
#pragma once

#include <cstdint>

#include "backend/grid.h"

namespace gptq::backend::cuda {

struct Grid {
  float scale, zero;
};

// GridSpec for kernels, with the ranges of a clip search.
struct GridRules {
  float highest;  // code
  float lowest_zero;
  bool sym;
  Clip clip;
  float most, least;  // factors of the range; beyond 1 because the symmetric grid's positive end is short
};

inline GridRules grid_rules(const GridSpec& spec) {
  const int bits = spec.bits;
  return {static_cast<float>((1 << bits) - 1),
          static_cast<float>(spec.lowest_zero),
          spec.sym,
          spec.clip,
          bits == 2   ? 1.5f
          : bits == 3 ? 1.3f
          : bits == 4 ? 1.15f
                      : 1.01f,
          bits == 2   ? 0.35f
          : bits == 3 ? 0.5f
          : bits == 4 ? 0.65f
                      : 0.9f};
}

// To nearest even, for |x| < 2^22.
__device__ __forceinline__ float round_to_integer(float x) { return __fsub_rn(__fadd_rn(x, 0x1.8p23f), 0x1.8p23f); }

// The nearest fp16 value of a positive x, between 2^-24 and 65504. Below 2^-14 steps are 2^-24 wide. NaN becomes 2^-24.
__device__ __forceinline__ float round_to_half(float x) {
  const uint32_t bits = __float_as_uint(x);
  const float normal = __uint_as_float((bits + 0xFFFu + ((bits >> 13) & 1u)) & ~0x1FFFu);
  const float subnormal = __fsub_rn(__fadd_rn(x, 0.5f), 0.5f);
  return fminf(fmaxf(x < 0x1p-14f ? subnormal : normal, 0x1p-24f), 65504.0f);
}

__device__ __forceinline__ float clamp_zero(const GridRules& rules, float zero) {
  return fminf(fmaxf(zero, rules.lowest_zero), rules.highest);
}

__device__ __forceinline__ Grid grid_of_range(const GridRules& rules, float low, float high) {
  if (rules.sym) return {round_to_half(fmaxf(-low, high) * (2.0f / rules.highest)), (rules.highest + 1.0f) / 2.0f};
  const float scale = round_to_half((high - low) / rules.highest);
  const float zero = fminf(-low / scale, 4096.0f);  // keeps the rounding in range
  return {scale, clamp_zero(rules, round_to_integer(zero))};
}

// The candidates of a search; the first of equals is used: the whole range; 24 parts of it; for asymmetric grids three
// rounds of eight neighbours of the best so far, with decreasing steps.
constexpr int kRangeCandidates = 25;  // the whole range and its parts
constexpr int kRounds = 3, kNeighbours = 8;

__device__ __forceinline__ Grid range_candidate(const GridRules& rules, float low, float high, int index) {
  if (index == 0) return grid_of_range(rules, low, high);
  const float p = rules.most - (rules.most - rules.least) * static_cast<float>(index - 1) / (kRangeCandidates - 2);
  return grid_of_range(rules, __fmul_rn(low, p), __fmul_rn(high, p));
}

__device__ __forceinline__ Grid neighbour(const GridRules& rules, Grid center, int round, int index) {
  const int place = index < 4 ? index : index + 1;  // of nine, without the center
  const float step = (rules.most - rules.least) * (round == 0 ? 0.08f : round == 1 ? 0.04f : 0.02f);
  return {round_to_half(center.scale * (1.0f + step * static_cast<float>(place % 3 - 1))),
          clamp_zero(rules, center.zero + static_cast<float>(place / 3 - 1))};
}

// A grid prepared for many values. Codes are valid for any value: the lowest one for NaN.
struct Rounder {
  float scale, inverse, low, high;  // low, high: codes minus zero

  __device__ __forceinline__ Rounder(const GridRules& rules, Grid grid)
      : scale(grid.scale), inverse(1.0f / grid.scale), low(-grid.zero), high(rules.highest - grid.zero) {}
  // The code minus zero
  __device__ __forceinline__ float operator()(float x) const {
    return round_to_integer(fminf(fmaxf(x * inverse, low), high));
  }
};

}  // namespace gptq::backend::cuda
