// Norm and rotary position embedding of the new queries and keys of a decode step, in shared memory.
#pragma once

#include "backend/cuda/attention/attention.h"
#include "backend/cuda/attention/attention_tile.cuh"

namespace gptq::backend::cuda {

// Angles of one position, and the columns of a head that they rotate, for the pairs of a lane. The angle of pairs that
// are not rotated is 0.
template <int kD>
struct Rotation {
  static constexpr int kPairs = kD / 64 + (kD < 64);
  float cosine[kPairs], sine[kPairs];
  int first[kPairs], second[kPairs];

  __device__ __forceinline__ Rotation(const FusedDecodeAttention& p, int position, int lane) {
    const int pairs = p.rotary_dim / 2, half = p.shape.head_dim / 2;
    const int step = p.interleaved ? 2 : 1, partner = p.interleaved ? 1 : pairs;
#pragma unroll
    for (int i = 0; i < kPairs; ++i) {
      const int pair = lane + 32 * i;
      const bool rotated = pair < pairs;
      const int64_t at = static_cast<int64_t>(position) * pairs + pair;
      cosine[i] = rotated ? p.cos[at] : 1.0f;
      sine[i] = rotated ? p.sin[at] : 0.0f;
      first[i] = rotated ? pair * step : pair + pairs;
      second[i] = rotated ? first[i] + partner : pair + half;
    }
  }
};

// Norm (where there is a weight) and rotation of one row of `tile` in place by a warp, each rounded to 16 bits.
template <int kD, typename Element>
__device__ __forceinline__ void norm_and_rotate(Element* tile, int row, int head_dim, const float* weight, float eps,
                                                const Rotation<kD>& rotation, int lane) {
  constexpr int kPairs = Rotation<kD>::kPairs;
  const int half = head_dim / 2;
  float a[kPairs], b[kPairs];
  float squares = 0;
#pragma unroll
  for (int i = 0; i < kPairs; ++i) {
    const bool valid = lane + 32 * i < half;
    a[i] = valid ? to_float(tile[element_offset<kD>(row, rotation.first[i])]) : 0.0f;
    b[i] = valid ? to_float(tile[element_offset<kD>(row, rotation.second[i])]) : 0.0f;
    squares += a[i] * a[i] + b[i] * b[i];
  }
  if (weight != nullptr) {
    const float factor = rsqrtf(warp_sum(squares) / static_cast<float>(head_dim) + eps);
#pragma unroll
    for (int i = 0; i < kPairs; ++i) {
      if (lane + 32 * i >= half) continue;
      a[i] = to_float(from_float<Element>(a[i] * factor * weight[rotation.first[i]]));
      b[i] = to_float(from_float<Element>(b[i] * factor * weight[rotation.second[i]]));
    }
  }
  __syncwarp();
#pragma unroll
  for (int i = 0; i < kPairs; ++i) {
    if (lane + 32 * i >= half) continue;
    const float c = rotation.cosine[i], s = rotation.sine[i];
    tile[element_offset<kD>(row, rotation.first[i])] = from_float<Element>(a[i] * c - b[i] * s);
    tile[element_offset<kD>(row, rotation.second[i])] = from_float<Element>(b[i] * c + a[i] * s);
  }
}

}  // namespace gptq::backend::cuda
