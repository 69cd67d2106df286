// y = x · Wᵀ for M ≤ 8 rows of x, with the norm in front and the residual or SiLU behind it where asked for.
//
//   shapes   x [M, K] 16-bit, or F32 to be normed      W packed (packed.h) or dense [N, K]      y [M, N]
//   work     a CTA of 8 warps takes blocks of 16 outputs (with `gated` of the gate and the same of up), CTAs take every
//            gridDim.x-th block; the warps of a CTA take every 8th tile of 64 positions and add up through shared memory
//   reading  each warp keeps a ring of tiles in flight by cp.async, going on over the ends of blocks; the first ones are
//            asked for before the kernel in front has finished (programmatic dependent launch)
//   tensor   codes become exact integers of the 16-bit type, W on the 16-row side of mma.m16n8k16, x on the 8 columns;
//   cores    the scale of a group meets the fp32 sum of its 64 positions (16 where groups are not multiples of 64)
//   bytes    the weights once; x once per CTA from the L2 cache
//   limits   K a multiple of 32; packed N a multiple of 16
#pragma once

#include "backend/cuda/decode_linear.h"
#include "backend/cuda/ptx.cuh"

namespace gptq::cuda {

struct DecodePart {
  const std::byte* codes;
  const std::byte* scales;
  const float* bias;
  int n;  // outputs
};

struct DecodeArguments {
  DecodePart parts[DecodeLinear::kMaxParts];
  int parts_count, blocks;  // blocks of 16 outputs of all parts, or of the gate
  bool gated, residual, y_is_float;
  int rows, k, tiles, x_stride_shared;  // elements between rows of x in shared memory
  int group_steps, groups;
  const void* x;
  int64_t x_stride;
  const float* norm;
  float norm_eps;
  const uint16_t* place;
  void* y;
  int64_t y_stride;
};

inline constexpr int kDecodeWarps = 8;
inline constexpr int kDecodeThreads = 32 * kDecodeWarps;
inline constexpr int kDenseRowBytes = 160;  // of a dense tile in shared memory: 128 and a shift by 8 banks a row

template <int kBits>
constexpr int tile_bytes() { return kBits == 16 ? kTileRows * kDenseRowBytes : 128 * kBits; }
// kSteps: steps of 16 positions that share a scale, 4 or 1.
template <int kBits, bool kSym, int kSteps>
constexpr int scale_bytes() { return kBits == 16 ? 0 : (kSteps == 4 ? 1 : 4) * (kSym ? 32 : 64); }
template <int kBits>
constexpr int ring_depth() { return kBits == 16 ? 4 : kBits == 8 ? 6 : 12; }
template <int kBits, bool kSym, int kSteps>
constexpr int ring_bytes() {
  return kDecodeWarps * ring_depth<kBits>() * (tile_bytes<kBits>() + scale_bytes<kBits, kSym, kSteps>());
}
inline constexpr int kReduceBytes = 2 * kDecodeWarps * kTileRows * DecodeLinear::kMaxRows * 4;

// Registers of operand a for step `s`: integers code − zero. `zero` are pairs of the zero point of rows r and r + 8,
// with the offset that makes the code a number of type T.
template <typename T>
struct Dequantizer;

template <>
struct Dequantizer<__half> {  // 0x6400 is 1024: the code lands in its lowest mantissa bits
  static constexpr uint32_t kOffset = 0x6400u;
  static __device__ __forceinline__ uint32_t number(uint32_t codes, uint32_t zero) {
    const uint32_t value = codes | 0x64006400u;
    const __half2 result = __hsub2(*reinterpret_cast<const __half2*>(&value), *reinterpret_cast<const __half2*>(&zero));
    return *reinterpret_cast<const uint32_t*>(&result);
  }
};
template <>
struct Dequantizer<__nv_bfloat16> {  // 0x4300 is 128
  static constexpr uint32_t kOffset = 0x4300u;
  static __device__ __forceinline__ uint32_t number(uint32_t codes, uint32_t zero) {
    const uint32_t value = codes | 0x43004300u;
    const __nv_bfloat162 result = __hsub2(*reinterpret_cast<const __nv_bfloat162*>(&value), *reinterpret_cast<const __nv_bfloat162*>(&zero));
    return *reinterpret_cast<const uint32_t*>(&result);
  }
};

// Eight bits do not fit bf16's mantissa beside an offset: the difference is taken in fp16, where it is exact too.
template <typename T, int kBits>
constexpr uint32_t zero_offset() { return kBits == 8 ? 0x6400u : Dequantizer<T>::kOffset; }

template <typename T, int kBits>
__device__ __forceinline__ uint32_t number_of(uint32_t codes, uint32_t zero) {
  if constexpr (kBits == 8 && !std::is_same_v<T, __half>) {
    const uint32_t half = Dequantizer<__half>::number(codes, zero);
    const float2 pair = unpack_pair<__half>(half);
    return pack_pair<T>(pair.x, pair.y);
  } else {
    return Dequantizer<T>::number(codes, zero);
  }
}

template <typename T, int kBits>
__device__ __forceinline__ void load_operand(uint32_t (&a)[4], const std::byte* tile, int lane, int s, const uint32_t (&zero)[2]) {
  const uint32_t* words = reinterpret_cast<const uint32_t*>(tile);
  if constexpr (kBits == 16) {
    const uint2 low = *reinterpret_cast<const uint2*>(tile + lane / 4 * kDenseRowBytes + s * 32 + lane % 4 * 8);
    const uint2 high = *reinterpret_cast<const uint2*>(tile + (lane / 4 + 8) * kDenseRowBytes + s * 32 + lane % 4 * 8);
    a[0] = low.x, a[1] = high.x, a[2] = low.y, a[3] = high.y;
  } else {
    uint32_t codes[4];
    if constexpr (kBits == 4) {
      const uint32_t word = words[lane * 4 + s];
      for (int f = 0; f < 4; ++f) codes[f] = word >> (4 * f) & 0x000F000Fu;
    } else if constexpr (kBits == 8) {
      for (int f = 0; f < 4; ++f) {
        const int i = 2 * s + f / 2;
        codes[f] = words[i / 4 * 128 + lane * 4 + i % 4] >> (8 * (f % 2)) & 0x00FF00FFu;
      }
    } else {
      const uint32_t word = words[lane * kBits + s / 2];
      for (int f = 0; f < 4; ++f) codes[f] = word >> (8 * (s % 2) + 2 * f) & 0x00030003u;
      if constexpr (kBits == 3) {
        const uint32_t highs = words[lane * 3 + 2];
        for (int f = 0; f < 4; ++f) codes[f] |= (highs >> (4 * s + f) & 0x00010001u) << 2;
      }
    }
    for (int f = 0; f < 4; ++f) a[f] = number_of<T, kBits>(codes[f], zero[f % 2]);
  }
}

// Where a warp is in its list of tiles.
struct TileCursor {
  int block, part_of_gated, tile;

  __device__ __forceinline__ void advance(const DecodeArguments& p, int warp) {
    tile += kDecodeWarps;
    if (tile < p.tiles) return;
    tile = warp;
    if (p.gated && part_of_gated == 0) {
      part_of_gated = 1;
    } else {
      part_of_gated = 0;
      block += static_cast<int>(gridDim.x);
    }
  }
};

struct BlockPlace {
  int part, block;  // block within the part
};
__device__ __forceinline__ BlockPlace place_of(const DecodeArguments& p, int block, int part_of_gated) {
  if (p.gated) return {part_of_gated, block};
  int part = 0;
  while (part + 1 < p.parts_count && block >= (p.parts[part].n + kTileRows - 1) / kTileRows) {
    block -= (p.parts[part].n + kTileRows - 1) / kTileRows;
    ++part;
  }
  return {part, block};
}

template <typename T, int kBits, bool kSym, int kSteps>
__device__ __forceinline__ void fetch_tile(const DecodeArguments& p, const TileCursor& at, std::byte* stage, int lane) {
  if (at.block >= p.blocks) return;
  const BlockPlace place = place_of(p, at.block, at.part_of_gated);
  const DecodePart& part = p.parts[place.part];
  if constexpr (kBits == 16) {
    for (int i = lane; i < kTileRows * 8; i += 32) {
      const int row = i / 8, column = at.tile * kTilePositions + i % 8 * 8, n = place.block * kTileRows + row;
      const bool valid = n < part.n && column < p.k;
      copy_async_16(stage + row * kDenseRowBytes + i % 8 * 16, part.codes + (valid ? (int64_t{n} * p.k + column) * 2 : 0), valid);
    }
  } else {
    const std::byte* tile = part.codes + (int64_t{place.block} * p.tiles + at.tile) * (128 * kBits);
    for (int i = lane; i < 8 * kBits; i += 32) copy_async_16(stage + i * 16, tile + i * 16);
    constexpr int kGroupBytes = kSym ? 32 : 64;
    const int group = at.tile * 4 / p.group_steps;
    const std::byte* scales = part.scales + (int64_t{place.block} * (p.groups + kSpareGroups) + group) * kGroupBytes;
    constexpr int kChunks = scale_bytes<kBits, kSym, kSteps>() / 16;
    if (lane < kChunks) copy_async_16(stage + tile_bytes<kBits>() + lane * 16, scales + lane * 16);
  }
}

// x into shared memory as T [M, x_stride_shared], in the order of positions, zero behind K.
template <typename T>
__device__ __forceinline__ void stage_input(const DecodeArguments& p, T* shared, float* sums) {
  for (int i = static_cast<int>(threadIdx.x); i < p.rows * (p.x_stride_shared - p.k); i += kDecodeThreads) {
    const int extra = p.x_stride_shared - p.k;
    shared[i / extra * p.x_stride_shared + p.k + i % extra] = from_float<T>(0.0f);
  }
  for (int m = 0; m < p.rows; ++m) {
    T* to = shared + m * p.x_stride_shared;
    if (p.norm == nullptr) {
      const T* from = static_cast<const T*>(p.x) + m * p.x_stride;
      if (p.place == nullptr && p.k % 8 == 0 && (reinterpret_cast<uintptr_t>(from) & 15) == 0) {
        for (int i = static_cast<int>(threadIdx.x) * 8; i < p.k; i += kDecodeThreads * 8) {
          *reinterpret_cast<uint4*>(to + i) = *reinterpret_cast<const uint4*>(from + i);
        }
      } else {
        for (int i = static_cast<int>(threadIdx.x); i < p.k; i += kDecodeThreads) to[p.place == nullptr ? i : p.place[i]] = from[i];
      }
      continue;
    }
    const float4* from = reinterpret_cast<const float4*>(static_cast<const float*>(p.x) + m * p.x_stride);
    float squares = 0;
    for (int i = static_cast<int>(threadIdx.x); i < p.k / 4; i += kDecodeThreads) {
      const float4 v = from[i];
      squares += v.x * v.x + v.y * v.y + v.z * v.z + v.w * v.w;
    }
    for (int offset = 16; offset > 0; offset /= 2) squares += __shfl_xor_sync(~0u, squares, offset);
    if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = squares;
    __syncthreads();
    float total = 0;
    for (int w = 0; w < kDecodeWarps; ++w) total += sums[w];
    const float factor = rsqrtf(total / static_cast<float>(p.k) + p.norm_eps);
    for (int i = static_cast<int>(threadIdx.x); i < p.k / 4; i += kDecodeThreads) {
      const float4 v = from[i], g = reinterpret_cast<const float4*>(p.norm)[i];
      const uint2 result = {pack_pair<T>(v.x * factor * g.x, v.y * factor * g.y), pack_pair<T>(v.z * factor * g.z, v.w * factor * g.w)};
      if (p.place == nullptr) {
        *reinterpret_cast<uint2*>(to + i * 4) = result;
      } else {
        const T* values = reinterpret_cast<const T*>(&result);
        for (int j = 0; j < 4; ++j) to[p.place[i * 4 + j]] = values[j];
      }
    }
    __syncthreads();
  }
  __syncthreads();
}

// The sums of all warps for one block of outputs become results.   sums [warps, 16 outputs, 8 rows]
template <typename T>
__device__ __forceinline__ void finish_block(const DecodeArguments& p, int block, const float* sums, const float* up_sums) {
  for (int i = static_cast<int>(threadIdx.x); i < kTileRows * p.rows; i += kDecodeThreads) {
    const int m = i / kTileRows, output = i % kTileRows;
    const BlockPlace place = place_of(p, block, 0);
    const DecodePart& part = p.parts[place.part];
    const int n = place.block * kTileRows + output;
    if (n >= part.n) continue;
    const auto total = [&](const float* of_warps, const float* bias) {
      float sum = bias != nullptr ? bias[n] : 0.0f;
      for (int w = 0; w < kDecodeWarps; ++w) sum += of_warps[(w * kTileRows + output) * DecodeLinear::kMaxRows + m];
      return sum;
    };
    float value = total(sums, part.bias);
    if (p.gated) {
      // Rounded as the separate operations would.
      const float gate = to_float(from_float<T>(value)), up = to_float(from_float<T>(total(up_sums, p.parts[1].bias)));
      value = gate / (1.0f + expf(-gate)) * up;
    }
    int64_t column = n;
    for (int before = 0; before < place.part; ++before) column += p.parts[before].n;
    if (p.y_is_float) {
      float* y = static_cast<float*>(p.y) + m * p.y_stride + column;
      *y = p.residual ? *y + to_float(from_float<T>(value)) : value;
    } else {
      static_cast<T*>(p.y)[m * p.y_stride + column] = from_float<T>(value);
    }
  }
}

template <typename T, int kBits, bool kSym, int kSteps>
__global__ void __launch_bounds__(kDecodeThreads) decode_linear_kernel(const DecodeArguments p) {
  constexpr int kDepth = ring_depth<kBits>();
  constexpr int kStage = tile_bytes<kBits>() + scale_bytes<kBits, kSym, kSteps>();
  extern __shared__ __align__(16) std::byte shared[];
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  std::byte* ring = shared + warp * kDepth * kStage;
  float* reduce = reinterpret_cast<float*>(shared + kDecodeWarps * kDepth * kStage);
  T* x = reinterpret_cast<T*>(shared + kDecodeWarps * kDepth * kStage + kReduceBytes);

  let_next_start();
  TileCursor fetch{warp < p.tiles ? static_cast<int>(blockIdx.x) : p.blocks, 0, warp};
  int fetch_slot = 0;
  for (; fetch_slot < kDepth - 1; ++fetch_slot) {
    fetch_tile<T, kBits, kSym, kSteps>(p, fetch, ring + fetch_slot * kStage, lane);
    commit_copies();
    if (fetch.block < p.blocks) fetch.advance(p, warp);
  }
  wait_for_previous();
  stage_input(p, x, reduce);

  const T* x_lane = x + lane / 4 * p.x_stride_shared + lane % 4 * 4;
  const bool has_row = lane / 4 < p.rows;
  constexpr uint32_t kMiddle = (zero_offset<T, kBits>() + (kBits < 16 ? 1u << (kBits - 1) : 0u)) * 0x10001u;
  int slot = 0, parity = 0;
  for (int block = static_cast<int>(blockIdx.x); block < p.blocks; block += static_cast<int>(gridDim.x)) {
    for (int half = 0; half < (p.gated ? 2 : 1); ++half) {
      float total[4] = {};
      for (int tile = warp; tile < p.tiles; tile += kDecodeWarps) {
        wait_for_copies<kDepth - 2>();
        __syncwarp();
        const std::byte* stage = ring + slot * kStage;
        const uint32_t* scales = reinterpret_cast<const uint32_t*>(stage + tile_bytes<kBits>());
        float sum[4] = {};
        uint32_t zero[2] = {kMiddle, kMiddle};
        float2 scale = {1.0f, 1.0f};
        for (int s = 0; s < 4; ++s) {
          if (kBits != 16 && (kSteps == 1 || s == 0)) {
            const int group = kSteps == 4 ? 0 : (tile * 4 + s) / p.group_steps - tile * 4 / p.group_steps;
            const uint32_t* entry = scales + (group * 8 + lane / 4) * (kSym ? 1 : 2);
            scale = unpack_pair<__half>(entry[0]);
            if constexpr (!kSym) {
              zero[0] = (zero_offset<T, kBits>() + (entry[1] & 0xFFFFu)) * 0x10001u;
              zero[1] = (zero_offset<T, kBits>() + (entry[1] >> 16)) * 0x10001u;
            }
          }
          uint32_t a[4], b[2] = {0, 0};
          load_operand<T, kBits>(a, stage, lane, s, zero);
          if (has_row) {
            const uint2 pair = *reinterpret_cast<const uint2*>(x_lane + tile * kTilePositions + s * 16);
            b[0] = pair.x, b[1] = pair.y;
          }
          mma_16x8x16<T>(sum, a, b);
          if (kSteps == 1 || s == 3) {
            total[0] += sum[0] * scale.x, total[1] += sum[1] * scale.x;
            total[2] += sum[2] * scale.y, total[3] += sum[3] * scale.y;
            sum[0] = sum[1] = sum[2] = sum[3] = 0.0f;
          }
        }
        __syncwarp();
        fetch_tile<T, kBits, kSym, kSteps>(p, fetch, ring + fetch_slot * kStage, lane);
        commit_copies();
        if (fetch.block < p.blocks) fetch.advance(p, warp);
        fetch_slot = fetch_slot + 1 == kDepth ? 0 : fetch_slot + 1;
        slot = slot + 1 == kDepth ? 0 : slot + 1;
      }
      float* sums = reduce + parity * (kDecodeWarps * kTileRows * DecodeLinear::kMaxRows);
      float* mine = sums + (warp * kTileRows + lane / 4) * DecodeLinear::kMaxRows + lane % 4 * 2;
      if (lane % 4 * 2 < p.rows) {
        *reinterpret_cast<float2*>(mine) = {total[0], total[1]};
        *reinterpret_cast<float2*>(mine + 8 * DecodeLinear::kMaxRows) = {total[2], total[3]};
      }
      parity ^= 1;
    }
    __syncthreads();
    const float* last = reduce + (parity ^ 1) * (kDecodeWarps * kTileRows * DecodeLinear::kMaxRows);
    const float* before_last = reduce + parity * (kDecodeWarps * kTileRows * DecodeLinear::kMaxRows);
    finish_block<T>(p, block, p.gated ? before_last : last, last);
    if (p.gated) __syncthreads();  // both buffers are written again at once
  }
}

}  // namespace gptq::cuda
