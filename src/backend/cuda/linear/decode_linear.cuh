// y = x · Wᵀ for M ≤ 8 rows of x, optionally fused with the preceding norm and the following residual addition or SiLU.
//
//   shapes   x [M, K] 16-bit, or F32 before the norm   W packed (packed.h) or dense [N, K]      y [M, N]
//   work     a CTA of 16 warps processes every gridDim.x-th block of 16 outputs (with `gated` 16 of the gate and the
//            same 16 of up); the warps of a CTA process every 16th stage (one or two tiles) and store their sums in
//            shared memory, where all threads add them at the end: a barrier for each block would cost 20 % of
//            the time
//   reading  each warp keeps a ring of stages in flight by cp.async across blocks; the first ones are requested before
//            the previous kernel has finished (programmatic dependent launch) and are in the L2 cache, where the last
//            blocks of that kernel prefetched them: memory stays busy between kernels
//   tensor   codes are converted to exact integers of the 16-bit type, W on the 16-row side of mma.m16n8k16, x on the 8
//   cores    columns; the scale of a group is applied to the fp32 sum of its 64 positions (16 if groups are not
//            multiples of 64)
//   bytes    the weights once; x once per CTA from the L2 cache
//   limits   K a multiple of 32; packed N a multiple of 16
#pragma once

#include "backend/cuda/linear/decode_linear.h"
#include "backend/cuda/linear/fused_linear.cuh"

namespace gptq::backend::cuda {

struct DecodeArguments : LinearArguments {
  int x_stride_shared;  // elements between rows of x in shared memory
  int sum_rows;         // `rows`, rounded up to even
  int sum_blocks;       // blocks whose sums fit, at least one; with `gated` a block includes up's
  const float* norm;
  float norm_eps;
  const uint16_t* inverse_perm;
  const std::byte* next;  // prefetched into the L2 cache, `next_bytes` by each CTA
  uint32_t next_bytes;
};

inline constexpr int kDecodeWarps = 16;
inline constexpr int kDecodeThreads = 32 * kDecodeWarps;
inline constexpr int kDenseRowBytes = 144;  // of a dense tile in shared memory: 128 and a shift by 4 banks per row

template <int kBits>
constexpr int tile_bytes() {
  return kBits == 16 ? kTileRows * kDenseRowBytes : 128 * kBits;
}
template <int kBits>
constexpr int stage_tiles() {
  return kBits <= 4 ? 2 : 1;
}
// Bytes of scales per tile. kSteps: steps of 16 positions that share a scale, 4 or 1.
template <int kBits, bool kSym, int kSteps>
constexpr int scale_bytes() {
  return kBits == 16 ? 0 : (kSteps == 4 ? 1 : 4) * (kSym ? 32 : 64);
}
template <int kBits>
constexpr int ring_depth() {
  return kBits == 16 ? 3 : kBits == 2 ? 6 : 4;
}
template <int kBits, bool kSym, int kSteps>
constexpr int stage_bytes() {
  return stage_tiles<kBits>() * (tile_bytes<kBits>() + scale_bytes<kBits, kSym, kSteps>());
}
template <int kBits, bool kSym, int kSteps>
constexpr int ring_bytes() {
  return kDecodeWarps * ring_depth<kBits>() * stage_bytes<kBits, kSym, kSteps>();
}

// Sums of one block of 16 outputs, of all warps.
constexpr int sum_bytes(int sum_rows) { return kDecodeWarps * kTileRows * sum_rows * 4; }

// A warp's sequence of stages: the tiles of a block, then the block's other half or the next block.
template <int kBits, bool kSym, int kSteps>
class Fetcher {
 public:
  __device__ __forceinline__ Fetcher(const DecodeArguments& p, int warp, int lane)
      : p_(p), lane_(lane), first_(warp * stage_tiles<kBits>()) {
    block_ = first_ < p.tiles ? static_cast<int>(blockIdx.x) : p.blocks;
    tile_ = first_;
    enter_block();
  }

  // Requests the next stage; always commits a group, so that groups correspond to stages.
  __device__ __forceinline__ void fetch(std::byte* stage) {
    if (block_ < p_.blocks) {
      for (int i = 0; i < stage_tiles<kBits>(); ++i) {
        if (tile_ + i < p_.tiles)
          fetch_tile(stage + i * (tile_bytes<kBits>() + scale_bytes<kBits, kSym, kSteps>()), tile_ + i);
      }
      tile_ += kDecodeWarps * stage_tiles<kBits>();
      if (tile_ >= p_.tiles) {
        tile_ = first_;
        half_ ^= p_.gated ? 1 : 0;
        if (half_ == 0) block_ += static_cast<int>(gridDim.x);
        enter_block();
      }
    }
    commit_copies();
  }

 private:
  static constexpr int kGroupBytes = kSym ? 32 : 64;

  __device__ __forceinline__ void enter_block() {
    if (block_ >= p_.blocks) return;
    const BlockCoord coord = coord_of(p_, block_, half_);
    const LinearPart& part = p_.parts[coord.part];
    if constexpr (kBits == 16) {
      row_ = coord.block * kTileRows;
      rows_ = part.n;
      codes_ = part.codes;
    } else {
      codes_ = part.codes + int64_t{coord.block} * p_.tiles * (128 * kBits) + lane_ * 16;
      scales_ = part.scales + int64_t{coord.block} * (p_.groups + kSpareGroups) * kGroupBytes + lane_ * 16;
    }
  }

  __device__ __forceinline__ void fetch_tile(std::byte* stage, int tile) {
    if constexpr (kBits == 16) {
      for (int i = lane_; i < kTileRows * 8; i += 32) {
        const int row = i / 8, column = tile * kTilePositions + i % 8 * 8, n = row_ + row;
        const bool valid = n < rows_ && column < p_.k;
        copy_async_16(stage + row * kDenseRowBytes + i % 8 * 16,
                      codes_ + (valid ? (int64_t{n} * p_.k + column) * 2 : 0), valid);
      }
    } else {
      const std::byte* from = codes_ + tile * (128 * kBits);
      for (int i = 0; i < kBits * 8; i += 32) {
        if (kBits * 8 % 32 == 0 || lane_ + i < kBits * 8) copy_async_16(stage + (lane_ + i) * 16, from + i * 16);
      }
      const int group = kSteps == 1 ? tile * 4 / p_.group_steps
                        : p_.group_tiles_inverse == 0
                            ? tile
                            : static_cast<int>(__umulhi(static_cast<uint32_t>(tile), p_.group_tiles_inverse));
      constexpr int kChunks = scale_bytes<kBits, kSym, kSteps>() / 16;
      if (lane_ < kChunks) copy_async_16(stage + tile_bytes<kBits>() + lane_ * 16, scales_ + group * kGroupBytes);
    }
  }

  const DecodeArguments& p_;
  int lane_, first_, block_, tile_, half_ = 0;
  const std::byte* codes_ = nullptr;
  const std::byte* scales_ = nullptr;
  int row_ = 0, rows_ = 0;
};

inline constexpr int kKeptVectors = 2;  // of four elements a thread: K = 4096 in all

// Norm weights and targets of a thread's first elements, loaded before x is available.
struct InputConstants {
  float4 weights[kKeptVectors];   // of the norm
  ushort4 targets[kKeptVectors];  // of normalized inputs
  uint4 eight_targets;            // of others

  __device__ __forceinline__ explicit InputConstants(const DecodeArguments& p) {
    const int thread = static_cast<int>(threadIdx.x);
    for (int i = 0; i < kKeptVectors; ++i) {
      const int at = thread + i * kDecodeThreads;
      if (p.norm == nullptr || at >= p.k / 4) continue;
      weights[i] = reinterpret_cast<const float4*>(p.norm)[at];
      if (p.inverse_perm != nullptr) targets[i] = reinterpret_cast<const ushort4*>(p.inverse_perm)[at];
    }
    if (p.inverse_perm != nullptr && thread * 8 < p.k)
      eight_targets = *reinterpret_cast<const uint4*>(p.inverse_perm + thread * 8);
  }
};

// The index of a position in shared memory: the four of a step that a lane reads (packed.h) are adjacent.
__device__ __forceinline__ int operand_order(int position) {
  return (position & ~15) | (position & 6) << 1 | (position & 8) >> 2 | (position & 1);
}

// Copies x to shared memory as T [M, x_stride_shared], in operand order, with zeros after K.
template <typename T>
__device__ __forceinline__ void stage_input(const DecodeArguments& p, T* shared, float* sums,
                                            const InputConstants& constants) {
  for (int i = static_cast<int>(threadIdx.x); i < p.rows * (p.x_stride_shared - p.k); i += kDecodeThreads) {
    const int extra = p.x_stride_shared - p.k;
    shared[i / extra * p.x_stride_shared + p.k + i % extra] = from_float<T>(0.0f);
  }
  for (int m = 0; m < p.rows; ++m) {
    T* to = shared + m * p.x_stride_shared;
    if (p.norm == nullptr) {
      const T* from = static_cast<const T*>(p.x) + m * p.x_stride;
      if (p.k % 8 == 0 && (reinterpret_cast<uintptr_t>(from) & 15) == 0) {
        for (int i = static_cast<int>(threadIdx.x) * 8; i < p.k; i += kDecodeThreads * 8) {
          const uint4 eight = *reinterpret_cast<const uint4*>(from + i);
          if (p.inverse_perm == nullptr) {
            uint32_t* pairs = reinterpret_cast<uint32_t*>(to + operand_order(i));
            pairs[0] = eight.x, pairs[2] = eight.y, pairs[4] = eight.z, pairs[6] = eight.w;
          } else {
            const uint4 targets = i == static_cast<int>(threadIdx.x) * 8
                                      ? constants.eight_targets
                                      : *reinterpret_cast<const uint4*>(p.inverse_perm + i);
            for (int j = 0; j < 8; ++j) {
              to[operand_order(reinterpret_cast<const uint16_t*>(&targets)[j])] = reinterpret_cast<const T*>(&eight)[j];
            }
          }
        }
      } else {
        for (int i = static_cast<int>(threadIdx.x); i < p.k; i += kDecodeThreads)
          to[operand_order(p.inverse_perm == nullptr ? i : p.inverse_perm[i])] = from[i];
      }
      continue;
    }
    const float4* from = reinterpret_cast<const float4*>(static_cast<const float*>(p.x) + m * p.x_stride);
    float4 kept[kKeptVectors];  // the first elements of a thread stay in registers until the norm is known
    float squares = 0;
    for (int i = 0; i < kKeptVectors; ++i) {
      const int at = static_cast<int>(threadIdx.x) + i * kDecodeThreads;
      kept[i] = at < p.k / 4 ? from[at] : float4{};
    }
    const auto add_squares = [&](const float4& v) { squares += v.x * v.x + v.y * v.y + v.z * v.z + v.w * v.w; };
    for (int i = 0; i < kKeptVectors; ++i) add_squares(kept[i]);
    for (int at = static_cast<int>(threadIdx.x) + kKeptVectors * kDecodeThreads; at < p.k / 4; at += kDecodeThreads)
      add_squares(from[at]);
    for (int offset = 16; offset > 0; offset /= 2) squares += __shfl_xor_sync(~0u, squares, offset);
    if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = squares;
    __syncthreads();
    float total = 0;
    for (int w = 0; w < kDecodeWarps; ++w) total += sums[w];
    const float factor = rsqrtf(total / static_cast<float>(p.k) + p.norm_eps);
    const auto put = [&](int at, const float4& v, const float4& g, const ushort4& targets) {
      const uint2 result = {pack_pair<T>(v.x * factor * g.x, v.y * factor * g.y),
                            pack_pair<T>(v.z * factor * g.z, v.w * factor * g.w)};
      if (p.inverse_perm == nullptr) {
        uint32_t* pairs = reinterpret_cast<uint32_t*>(to + operand_order(at * 4));
        pairs[0] = result.x, pairs[2] = result.y;
      } else {
        const T* values = reinterpret_cast<const T*>(&result);
        to[operand_order(targets.x)] = values[0], to[operand_order(targets.y)] = values[1];
        to[operand_order(targets.z)] = values[2], to[operand_order(targets.w)] = values[3];
      }
    };
    for (int i = 0; i < kKeptVectors; ++i) {
      const int at = static_cast<int>(threadIdx.x) + i * kDecodeThreads;
      if (at < p.k / 4) put(at, kept[i], constants.weights[i], constants.targets[i]);
    }
    for (int at = static_cast<int>(threadIdx.x) + kKeptVectors * kDecodeThreads; at < p.k / 4; at += kDecodeThreads) {
      put(at, from[at], reinterpret_cast<const float4*>(p.norm)[at],
          p.inverse_perm == nullptr ? ushort4{} : reinterpret_cast<const ushort4*>(p.inverse_perm)[at]);
    }
    __syncthreads();
  }
  __syncthreads();
}

// Writes the results of `count` blocks from `first` on.   sums of all warps [count, halves, warps, 16, rows]
template <typename T>
__device__ __forceinline__ void finish_blocks(const DecodeArguments& p, int first, int count, const float* sums) {
  const int halves = p.gated ? 2 : 1, of_half = kDecodeWarps * kTileRows * p.sum_rows;
  for (int i = static_cast<int>(threadIdx.x); i < count * kTileRows * p.rows; i += kDecodeThreads) {
    const int output = i % kTileRows, m = i / kTileRows % p.rows, turn = i / kTileRows / p.rows;
    const BlockCoord coord = coord_of(p, first + turn * static_cast<int>(gridDim.x), 0);
    const int n = coord.block * kTileRows + output;
    if (n >= p.parts[coord.part].n) continue;
    const float* mine = sums + turn * halves * of_half + output * p.sum_rows + m;
    const auto total = [&](const float* of_warps) {
      float sum = 0;
#pragma unroll
      for (int w = 0; w < kDecodeWarps; ++w) sum += of_warps[w * kTileRows * p.sum_rows];
      return sum;
    };
    store_output<T>(p, OutputColumn(p, coord.part, n), m, total(mine), p.gated ? total(mine + of_half) : 0.0f);
  }
}

__device__ __forceinline__ void load_dense_operand(uint32_t (&a)[4], const std::byte* tile, int lane, int s) {
  const std::byte* low = tile + lane / 4 * kDenseRowBytes + s * 32 + lane % 4 * 4;
  const std::byte* high = low + 8 * kDenseRowBytes;
  a[0] = *reinterpret_cast<const uint32_t*>(low), a[1] = *reinterpret_cast<const uint32_t*>(high);
  a[2] = *reinterpret_cast<const uint32_t*>(low + 16), a[3] = *reinterpret_cast<const uint32_t*>(high + 16);
}

// total += the product of one tile with x.
template <typename T, int kBits, bool kSym, int kSteps>
__device__ __forceinline__ void multiply_tile(float (&total)[4], const DecodeArguments& p, const std::byte* stage,
                                              int tile, int lane, const T* x_lane, uint32_t offset) {
  const uint32_t* scales = reinterpret_cast<const uint32_t*>(stage + tile_bytes<kBits>());
  const bool has_row = lane / 4 < p.rows;
  uint32_t words[kBits];
  if constexpr (kBits != 16) load_codes<kBits>(words, stage, lane);
  float sums[2][4] = {};  // of even and odd steps: two independent chains
  uint32_t zero[2] = {kMiddleZeros<T, kBits>, kMiddleZeros<T, kBits>};
  float2 scale = {1.0f, 1.0f};
#pragma unroll
  for (int s = 0; s < 4; ++s) {
    if (kBits != 16 && (kSteps == 1 || s == 0)) {
      const int group = kSteps == 4 ? 0 : (tile * 4 + s) / p.group_steps - tile * 4 / p.group_steps;
      const uint32_t* entry = scales + (group * 8 + lane / 4) * (kSym ? 1 : 2);
      scale = unpack_pair<__half>(entry[0]);
      if constexpr (!kSym) make_zeros<T, kBits>(zero, entry[1]);
    }
    uint32_t a[4], b[2] = {0, 0};
    if constexpr (kBits == 16) {
      load_dense_operand(a, stage, lane, s);
    } else {
      make_operand<T, kBits>(a, words, s, zero, offset);
    }
    if (has_row) {
      const uint2 pair = *reinterpret_cast<const uint2*>(x_lane + tile * kTilePositions + s * 16);
      b[0] = pair.x, b[1] = pair.y;
    }
    mma_16x8x16<T>(sums[s % 2], a, b);
    if (kSteps == 1) {
      for (int i = 0; i < 4; ++i) total[i] += sums[s % 2][i] * (i < 2 ? scale.x : scale.y), sums[s % 2][i] = 0.0f;
    }
  }
  if (kSteps == 4) {
    for (int i = 0; i < 4; ++i) total[i] += (sums[0][i] + sums[1][i]) * (i < 2 ? scale.x : scale.y);
  }
}

template <typename T, int kBits, bool kSym, int kSteps>
__global__ void __launch_bounds__(kDecodeThreads, 1) decode_linear_kernel(const __grid_constant__ DecodeArguments p) {
  constexpr int kDepth = ring_depth<kBits>();
  constexpr int kStage = stage_bytes<kBits, kSym, kSteps>();
  constexpr int kTileStage = kStage / stage_tiles<kBits>();
  extern __shared__ __align__(16) std::byte shared[];
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  std::byte* ring = shared + warp * kDepth * kStage;
  float* sums = reinterpret_cast<float*>(shared + kDecodeWarps * kDepth * kStage);
  const int halves = p.gated ? 2 : 1, of_half = kDecodeWarps * kTileRows * p.sum_rows;
  T* x = reinterpret_cast<T*>(shared + kDecodeWarps * kDepth * kStage + p.sum_blocks * halves * sum_bytes(p.sum_rows));

  Fetcher<kBits, kSym, kSteps> fetcher(p, warp, lane);
  for (int slot = 0; slot < kDepth - 1; ++slot) fetcher.fetch(ring + slot * kStage);
  const InputConstants constants(p);
  wait_for_previous();
  stage_input(p, x, sums, constants);

  const uint32_t offset = in_register(kOffset<NumberType<T, kBits>> * 0x10001u);
  const T* x_lane = x + lane / 4 * p.x_stride_shared + lane % 4 * 4;
  int slot = 0, free_slot = kDepth - 1, turn = 0, first_unfinished = static_cast<int>(blockIdx.x);
  for (int block = static_cast<int>(blockIdx.x); block < p.blocks; block += static_cast<int>(gridDim.x)) {
    const bool last = block + static_cast<int>(gridDim.x) >= p.blocks;
    // Not earlier: the next kernel's loads would compete with this kernel's.
    if (last) {
      let_next_start();
      if (threadIdx.x == 0 && p.next_bytes > 0)
        prefetch_to_l2(p.next + int64_t{blockIdx.x} * p.next_bytes, p.next_bytes);
    }
    for (int half = 0; half < halves; ++half) {
      float total[4] = {};
      for (int tile = warp * stage_tiles<kBits>(); tile < p.tiles; tile += kDecodeWarps * stage_tiles<kBits>()) {
        wait_for_copies<kDepth - 2>();
        __syncwarp();
        fetcher.fetch(ring + free_slot * kStage);  // the slot that the whole warp has finished reading
        const std::byte* stage = ring + slot * kStage;
#pragma unroll
        for (int i = 0; i < stage_tiles<kBits>(); ++i) {
          if (tile + i < p.tiles)
            multiply_tile<T, kBits, kSym, kSteps>(total, p, stage + i * kTileStage, tile + i, lane, x_lane, offset);
        }
        free_slot = slot;
        slot = slot + 1 == kDepth ? 0 : slot + 1;
      }
      if (lane % 4 * 2 < p.rows) {
        float* mine =
            sums + (turn * halves + half) * of_half + (warp * kTileRows + lane / 4) * p.sum_rows + lane % 4 * 2;
        *reinterpret_cast<float2*>(mine) = {total[0], total[1]};
        *reinterpret_cast<float2*>(mine + 8 * p.sum_rows) = {total[2], total[3]};
      }
    }
    if (++turn == p.sum_blocks || last) {
      __syncthreads();
      finish_blocks<T>(p, first_unfinished, turn, sums);
      if (!last) __syncthreads();
      first_unfinished = block + static_cast<int>(gridDim.x);
      turn = 0;
    }
  }
}

}  // namespace gptq::backend::cuda
