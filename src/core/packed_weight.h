// A GPTQ-packed linear weight in the canonical layout that all modules use in memory.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/tensor.h"

namespace gptq {

// W[n][k] = scales[g][n] · (code(k, n) − zero(g, n)),  g = g_idx[k]           (docs/formats.md)
//
// Codes and zeros are little-endian bit streams of `bits`-wide fields: code i of a run of 32 starts at bit
// bits·i of `bits` consecutive words. Zeros are plain here; only `checkpoint` handles the "minus one" of format v1.
struct PackedWeight {
  int bits = 4;              // 2, 3, 4 or 8
  int64_t in_features = 0;   // K, a multiple of 32
  int64_t out_features = 0;  // N, a multiple of 32
  int64_t group_size = 0;    // columns per scale; K for one group
  Tensor qweight;            // I32 [K·bits/32, N], or empty if `mapped` holds them
  TensorView mapped;         // the same within a mapped file, aligned; valid as long as the file is open
  Tensor qzeros;             // I32 [G, N·bits/32]
  Tensor scales;             // F16 [G, N]
  Tensor g_idx;              // I32 [K], every value in [0, G)
  Tensor bias;               // F32 [N], or empty

  int64_t groups() const { return scales.shape()[0]; }
  std::span<const int32_t> words() const {
    return qweight.empty() ? mapped.values<int32_t>() : qweight.values<int32_t>();
  }
};

// Field `index` (0…) of a stream of `bits`-wide fields; `stride` words lie between consecutive words.
inline uint32_t unpack_field(const int32_t* words, int64_t index, int bits, int64_t stride = 1) {
  const int64_t bit = index % 32 * bits;
  const int64_t word = index / 32 * bits + bit / 32;
  const int shift = static_cast<int>(bit % 32);
  uint32_t value = static_cast<uint32_t>(words[word * stride]) >> shift;
  if (shift + bits > 32) value |= static_cast<uint32_t>(words[(word + 1) * stride]) << (32 - shift);
  return value & ((1u << bits) - 1u);
}

// ORs `code` into field `index`; the words must have been zero there.
inline void pack_field(int32_t* words, int64_t index, int bits, uint32_t code, int64_t stride = 1) {
  const int64_t bit = index % 32 * bits;
  const int64_t word = index / 32 * bits + bit / 32;
  const int shift = static_cast<int>(bit % 32);
  words[word * stride] = static_cast<int32_t>(static_cast<uint32_t>(words[word * stride]) | (code << shift));
  if (shift + bits > 32) {
    words[(word + 1) * stride] =
        static_cast<int32_t>(static_cast<uint32_t>(words[(word + 1) * stride]) | (code >> (32 - shift)));
  }
}

}  // namespace gptq
