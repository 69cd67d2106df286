// The products in terms of what the including file defines for its instruction set:
//   Vec, kWidth           the codes of kWidth columns, a 32-bit word each
//   Sum                   sums of products, one for each column; Sum zero_sum()
//   Input broadcast(p)    four bytes of a row of activations
//   load, shift<n>, mask<m>, either, hide   on Vec
//   Partial<bits>         sums within a block: begin<bits>(sum), partial_dot<bits>(partial, codes, input) for each quad of
//                         inputs, and the new sum, end<bits>(sum, partial) (direct.inl, madd.inl)
//   Float                 kWidth floats; to_float(high, low), to_float(high), load_scales, load_zeros, ...

#include "backend/cpu/repeat.inl"

// Codes of the inputs 4·kQuad … 4·kQuad + 3 of a block as bytes.
template <int kBits, int kQuad>
static inline __attribute__((always_inline)) Vec codes_of(const uint8_t* block) {
  if constexpr (kBits == 8) {
    return load(block + kQuad * kTileLine);
  } else if constexpr (kBits == 4) {
    return mask<15>(shift<4 * (kQuad % 2)>(load(block + kQuad / 2 * kTileLine)));
  } else {
    const Vec low = mask<3>(shift<2 * (kQuad % 4)>(load(block + kQuad / 4 * kTileLine)));
    if constexpr (kBits == 2) return low;
    return either(low, mask<4>(shift<kQuad - 2>(load(block + 2 * kTileLine))));
  }
}

template <int kBits, int kRows, int kVecs, int kPlanes>
static inline __attribute__((always_inline)) void block_dot(Sum (&sums)[kRows][kVecs][kPlanes], const uint8_t* block,
                                                            const int8_t* x, int64_t stride, int64_t low) {
  Partial<kBits> partial[kRows][kVecs][kPlanes];
  repeat<kRows>([&](auto r) __attribute__((always_inline)) {
    repeat<kVecs>([&](auto v) __attribute__((always_inline)) {
      repeat<kPlanes>([&](auto p) __attribute__((always_inline)) { partial[r][v][p] = begin<kBits>(sums[r][v][p]); });
    });
  });
  repeat<kBlock / 4>([&](auto q) __attribute__((always_inline)) {
    Vec codes[kVecs];
    repeat<kVecs>([&](auto v)
                      __attribute__((always_inline)) { codes[v] = codes_of<kBits, q>(block + v * sizeof(Vec)); });
    repeat<kRows>([&](auto r) __attribute__((always_inline)) {
      repeat<kPlanes>([&](auto p) __attribute__((always_inline)) {
        const Input input = broadcast(x + r * stride + p * low + q * 4);
        repeat<kVecs>([&](auto v)
                          __attribute__((always_inline)) { partial_dot<kBits>(partial[r][v][p], codes[v], input); });
      });
    });
  });
  repeat<kRows>([&](auto r) __attribute__((always_inline)) {
    repeat<kVecs>([&](auto v) __attribute__((always_inline)) {
      repeat<kPlanes>([&](auto p) __attribute__((always_inline)) {
        sums[r][v][p] = end<kBits>(sums[r][v][p], partial[r][v][p]);
      });
    });
  });
}

// kRows rows times kVecs vectors of columns, from `column` on.
template <int kBits, int kRows, int kVecs, int kPlanes>
static void multiply_rows(float* y, int64_t y_stride, const Rows& x, const Tile& tile, int column) {
  Float total[kRows][kVecs];
  repeat<kRows>([&](auto r) __attribute__((always_inline)) {
    repeat<kVecs>([&](auto v) __attribute__((always_inline)) { total[r][v] = zero_float(); });
  });
  const uint8_t* block = tile.codes + column * 4;
  const int8_t* values = x.values;
  int32_t begin_input = 0;
  for (int64_t s = 0; s < tile.segment_count; ++s) {
    const Segment segment = tile.segments[s];
    const int32_t length = segment.end - begin_input;
    Sum sums[kRows][kVecs][kPlanes];
    repeat<kRows>([&](auto r) __attribute__((always_inline)) {
      repeat<kVecs>([&](auto v) __attribute__((always_inline)) {
        repeat<kPlanes>([&](auto p) __attribute__((always_inline)) { sums[r][v][p] = zero_sum(); });
      });
    });
    for (int32_t k = 0; k < length; k += kBlock) {
      if (kRows > 1 || tile.prefetch) {
        repeat<kBits>([&](auto line) __attribute__((always_inline)) {
          __builtin_prefetch(block + kPrefetch + line * kTileLine);
          __builtin_prefetch(block + kPrefetch + line * kTileLine + 64);
        });
      }
      block_dot<kBits>(sums, block, values + k, x.stride, length);
      block += kBits * kTileLine;
    }
    values += kPlanes * length;
    begin_input = segment.end;
    repeat<kVecs>([&](auto v) __attribute__((always_inline)) {
      const int64_t at = segment.group * kTileColumns + column + v * kWidth;
      const Float scale = load_scales(tile.scales + at);
      const Float offset = scale * load_zeros(tile.zeros + at);
      repeat<kRows>([&](auto r) __attribute__((always_inline)) {
        const int64_t i = r * x.segment_count + s;
        Float value;
        if constexpr (kPlanes == 2) {
          value = to_float(sums[r][v][0], sums[r][v][1]);
        } else {
          value = to_float(sums[r][v][0]);
        }
        total[r][v] += value * (scale * x.scales[i]);
        total[r][v] -= offset * x.sums[i];
      });
    });
  }
  repeat<kRows>([&](auto r) __attribute__((always_inline)) {
    repeat<kVecs>([&](auto v) __attribute__((always_inline)) {
      store_float(y + r * y_stride + column + v * kWidth, total[r][v]);
    });
  });
}

template <int kBits, int kPlanes, int kRows>
static void multiply_some(float* y, int64_t y_stride, const Rows& x, const Tile& tile) {
  constexpr int kVecs = kRows == 1 ? kVecsOfOneRow : kVecsOfManyRows;
  for (int column = 0; column < kTileColumns; column += kVecs * kWidth) {
    multiply_rows<kBits, kRows, kVecs, kPlanes>(y, y_stride, x, tile, column);
  }
}

template <int kBits, int kPlanes>
static void multiply(float* y, int64_t y_stride, const Rows& x, int64_t rows, const Tile& tile) {
  const auto from = [&](int64_t m) {
    return Rows{x.values + m * x.stride, x.stride, x.scales + m * x.segment_count, x.sums + m * x.segment_count,
                x.segment_count};
  };
  int64_t m = 0;
  for (; m + kManyRows <= rows; m += kManyRows) {
    multiply_some<kBits, kPlanes, kManyRows>(y + m * y_stride, y_stride, from(m), tile);
  }
  for (; m + 2 <= rows; m += 2) multiply_some<kBits, kPlanes, 2>(y + m * y_stride, y_stride, from(m), tile);
  if (m < rows) multiply_some<kBits, kPlanes, 1>(y + m * y_stride, y_stride, from(m), tile);
}

// ---- activations

using Lanes = float __attribute__((vector_size(64)));
using LanesUnaligned = float __attribute__((vector_size(64), aligned(4)));
using Integers = int32_t __attribute__((vector_size(64)));
using Bytes = int8_t __attribute__((vector_size(16)));
using BytesUnaligned = int8_t __attribute__((vector_size(16), aligned(1)));

template <int kPlanes>
static void quantize_row(int8_t* values, float* scales, float* sums, const float* x, const Segment* segments,
                         int64_t segment_count) {
  constexpr float kSteps = kPlanes == 2 ? 127 * 256 + 127 : 127;
  int32_t begin_input = 0;
  for (int64_t s = 0; s < segment_count; ++s) {
    const int32_t length = segments[s].end - begin_input;
    // As integers, so that infinity and NaN count as the largest.
    Integers largest{};
    for (int32_t i = 0; i < length; i += 16) {
      const Integers bits = (Integers)(Lanes)(*reinterpret_cast<const LanesUnaligned*>(x + i)) & 0x7FFFFFFF;
      largest = bits > largest ? bits : largest;
    }
    int32_t highest = 0;
    for (int i = 0; i < 16; ++i) highest = largest[i] > highest ? largest[i] : highest;
    const float top = __builtin_bit_cast(float, highest);
    const bool finite = highest < 0x7F800000;
    const float factor = finite && top > 0 ? kSteps / top : 0.0f;
    // A quotient that overflows means values too small to matter: they are 0 then.
    const bool usable = factor < __builtin_inff();
    scales[s] = finite ? (usable ? top / kSteps : 0.0f) : __builtin_nanf("");
    Integers sum{};
    for (int32_t i = 0; i < length; i += 16) {
      const Lanes scaled = *reinterpret_cast<const LanesUnaligned*>(x + i) * (usable ? factor : 0.0f);
      // Rounds to nearest: 1.5·2²³ has a step of one.
      const Integers rounded = (Integers)(scaled + 0x1.8p23f) - 0x4B400000;
      const Integers value = finite ? rounded : Integers{};
      sum += value;
      if constexpr (kPlanes == 2) {
        const Integers high = (value + 128) >> 8;
        *reinterpret_cast<BytesUnaligned*>(values + i) = __builtin_convertvector(high, Bytes);
        *reinterpret_cast<BytesUnaligned*>(values + length + i) = __builtin_convertvector(value - high * 256, Bytes);
      } else {
        *reinterpret_cast<BytesUnaligned*>(values + i) = __builtin_convertvector(value, Bytes);
      }
    }
    int32_t total = 0;
    for (int i = 0; i < 16; ++i) total += sum[i];
    sums[s] = scales[s] * static_cast<float>(total);
    values += kPlanes * length;
    x += length;
    begin_input = segments[s].end;
  }
}

// ---- weights

// Position i of a block: its line, and its lowest bit in a column's word.
template <int kBits>
static constexpr int line_of(int i) {
  return kBits == 8 ? i / 4 : kBits == 4 ? i / 8 : i / 16;
}
template <int kBits>
static constexpr int bit_of(int i) {
  return 8 * (i % 4) + (kBits == 8 ? 0 : kBits == 4 ? 4 * (i / 4 % 2) : 2 * (i / 4 % 4));
}

template <int kBits>
static void pack(uint8_t* block, const uint32_t* words, int64_t stride, const int32_t* inputs) {
  constexpr uint32_t kMask = (1u << kBits) - 1u;
  uint32_t lines[kBits][kTileColumns] = {};
  for (int i = 0; i < kBlock; ++i) {
    const int32_t input = inputs[i];
    if (input < 0) continue;
    const int64_t bit = int64_t{input} % 32 * kBits;
    const uint32_t* word = words + (int64_t{input} / 32 * kBits + bit / 32) * stride;
    const int down = static_cast<int>(bit % 32), up = bit_of<kBits>(i);
    uint32_t codes[kTileColumns];
    for (int c = 0; c < kTileColumns; ++c) codes[c] = word[c] >> down;
    if (down + kBits > 32) {
      for (int c = 0; c < kTileColumns; ++c) codes[c] |= word[stride + c] << (32 - down);
    }
    for (int c = 0; c < kTileColumns; ++c) {
      const uint32_t code = codes[c] & kMask;
      lines[line_of<kBits>(i)][c] |= (kBits == 3 ? code & 3u : code) << up;
      if constexpr (kBits == 3) lines[2][c] |= (code >> 2) << (8 * (i % 4) + i / 4);
    }
  }
  __builtin_memcpy(block, lines, sizeof(lines));
}

// ---- measurements

static void read(const uint8_t* data, int64_t bytes, float* sink) {
  constexpr int64_t kStep = 256;
  Vec seen[kStep / sizeof(Vec)];
  repeat<kStep / sizeof(Vec)>([&](auto v) __attribute__((always_inline)) { seen[v] = load(data + v * sizeof(Vec)); });
  for (int64_t i = 0; i < bytes; i += kStep) {
    repeat<kStep / sizeof(Vec)>([&](auto v) __attribute__((always_inline)) {
      seen[v] = either(seen[v], load(data + i + v * sizeof(Vec)));
    });
  }
  repeat<kStep / sizeof(Vec)>([&](auto v) __attribute__((always_inline)) { seen[0] = either(seen[0], seen[v]); });
  __builtin_memcpy(sink, &seen[0], sizeof(*sink));
}

static int64_t products(int64_t rounds, float* sink) {
  constexpr int kSums = 10;
  alignas(64) static const uint8_t kCodes[64] = {1, 2, 3};
  static const int8_t kInput[4] = {1, -1, 2, -2};
  Vec codes = load(kCodes);
  const Input input = broadcast(kInput);
  Sum sums[kSums];
  repeat<kSums>([&](auto i) __attribute__((always_inline)) { sums[i] = zero_sum(); });
  for (int64_t round = 0; round < rounds; ++round) {
    Partial<4> partial[kSums];
    repeat<kSums>([&](auto i) __attribute__((always_inline)) { partial[i] = begin<4>(sums[i]); });
    repeat<kBlock / 4>([&](auto) __attribute__((always_inline)) {
      repeat<kSums>([&](auto i) __attribute__((always_inline)) {
        hide(codes);
        partial_dot<4>(partial[i], codes, input);
      });
    });
    repeat<kSums>([&](auto i) __attribute__((always_inline)) { sums[i] = end<4>(sums[i], partial[i]); });
  }
  Float total = zero_float();
  repeat<kSums>([&](auto i) __attribute__((always_inline)) { total += to_float(sums[i]); });
  __builtin_memcpy(sink, &total, sizeof(*sink));
  return rounds * kSums * kBlock * kWidth;
}

const Kernels kKernels = {
    kName,
    {pack<2>, pack<3>, pack<4>, pack<8>},
    {{multiply<2, 1>, multiply<2, 2>},
     {multiply<3, 1>, multiply<3, 2>},
     {multiply<4, 1>, multiply<4, 2>},
     {multiply<8, 1>, multiply<8, 2>}},
    {quantize_row<1>, quantize_row<2>},
    read,
    products,
};
