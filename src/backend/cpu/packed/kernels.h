// Products of GPTQ codes with activations of 8- or 16-bit integers, compiled once for each instruction set.
//
// The processor multiplies unsigned by signed bytes and adds four products to a 32-bit integer (VPDPBUSD with VNNI,
// VPMADDUBSW before it). Codes are unsigned bytes; an activation is one signed byte (a plane) or two, high · 256 + low.
// The integers are exact, so that a result depends neither on the number of rows nor on the split of the work.
#pragma once

#include <cstdint>

namespace gptq::backend::packed {

inline constexpr int kTileColumns = 32;
inline constexpr int kBlock = 32;      // inputs; groups of a weight are padded to whole blocks
inline constexpr int kTileLine = 128;  // bytes: one word for each column of a tile

// The most inputs that share a scale of the activations. One plane needs shorter segments for its accuracy.
constexpr int max_segment(int planes) { return planes == 1 ? 64 : 128; }

// Inputs [end of the last segment, end), of one group of the weight: they share a scale of the activations.
struct Segment {
  int32_t end = 0;  // a multiple of kBlock
  int32_t group = 0;
};

// Input i of a block is byte i % 4 of a column's word, and
//   2 bits  bits 2·(i / 4 % 4) of byte in line i / 16
//   3 bits  the low two bits as for 2 bits, the high one in bit i / 4 of line 2
//   4 bits  bits 4·(i / 4 % 2) of byte in line i / 8
//   8 bits  line i / 4
struct Tile {
  const uint8_t* codes;    // [K' / 32][bits][32 columns][4 bytes], aligned to 64 bytes
  const uint16_t* scales;  // fp16 [G][32]
  const uint8_t* zeros;    // [G][32]
  const Segment* segments;
  int64_t segment_count;
  bool prefetch;  // also for a single row
};

// Rows of activations: for each segment first its high bytes, then its low ones.
struct Rows {
  const int8_t* values;  // [rows][stride]
  int64_t stride;
  const float* scales;  // [rows][segments]  x = scale · value
  const float* sums;    // [rows][segments]  Σ x of the segment
  int64_t segment_count;
};

struct Kernels {
  const char* name;

  // Fills the lines of one block of one tile from a weight's words [K·bits/32][stride], from the tile's first column on:
  // position i of the block holds input inputs[i], or 0 where that is −1. Index: 2, 3, 4, 8 bits.
  using Pack = void (*)(uint8_t* block, const uint32_t* words, int64_t stride, const int32_t* inputs);
  Pack pack[4];

  // y[m][0…31] = Σ_k x[m][k] · scale·(code − zero) for one tile and rows m in [0, rows). First index: 2, 3, 4, 8 bits;
  // second: one or two planes.
  using Multiply = void (*)(float* y, int64_t y_stride, const Rows& x, int64_t rows, const Tile& tile);
  Multiply multiply[4][2];

  // Rounds one row x [K'] to integers: to 127 (one plane) or 32,639 (two) steps of the largest |x| of each segment.
  // Segments with a value that is not finite get a scale that is not finite.
  using Quantize = void (*)(int8_t* values, float* scales, float* sums, const float* x, const Segment* segments,
                            int64_t segment_count);
  Quantize quantize[2];

  // What the processor does at most, for measurements: reads memory, a multiple of 256 bytes aligned to 64; performs
  // `rounds` rounds of products of registers, and returns the number of products of 8 bits. Both keep a result in *sink.
  void (*read)(const uint8_t* data, int64_t bytes, float* sink);
  int64_t (*products)(int64_t rounds, float* sink);
};

namespace portable {
extern const Kernels kKernels;
}
namespace avx2 {
extern const Kernels kKernels;
}
namespace avx_vnni {
extern const Kernels kKernels;
}
namespace avx512 {
extern const Kernels kKernels;
}
namespace avx512_vnni {
extern const Kernels kKernels;
}

// Those of the instruction set in use (cpu_features.h).
const Kernels& kernels();
// Whether a single row should prefetch the codes. Such products wait for memory: Intel's processors read codes 1.4 times
// as fast with prefetch instructions, AMD's as fast without them, and 8-bit codes 1.15 times as fast.
bool prefetches_one_row();
inline int index_of(int bits) { return bits == 8 ? 3 : bits - 2; }

}  // namespace gptq::backend::packed
