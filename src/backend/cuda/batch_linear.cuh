// y = x · Wᵀ for 9 to 64 rows of x and packed W, with the residual or SiLU behind it where asked for.
//
//   shapes   x [M, K] 16-bit, in the order of positions     W packed (packed.h)     y [M, N]
//   work     a unit is 128 outputs × 128 positions; the units of all outputs lie in one row, and each CTA takes an
//   equal
//            share of it: shares end anywhere, so no multiprocessor waits for another. Where a CTA has only a part of
//            an output's positions, it leaves its sums in memory, and the last one to arrive adds them in their order:
//            the same input gives the same bits
//   reading  codes, scales and x of the next units are in flight by cp.async; codes and scales before the kernel in
//   front
//            has finished (programmatic dependent launch)
//   tensor   as in decode_linear.cuh, with 4 or 8 times 8 rows of x on the column side; a warp has two blocks of 16
//   cores    outputs with 32 rows and shares the positions of a unit with another one, or one block with 64 rows
//   bytes    the weights once; x once per 128 outputs, from the L2 cache
//   limits   K a multiple of 32, N of 16
// Source of the even shares: Osama et al., "Stream-K: Work-centric Parallel Decomposition for Dense Matrix-Matrix
// Multiplication on the GPU" (2023).
#pragma once

#include "backend/cuda/fused_linear.cuh"

namespace gptq::cuda {

inline constexpr int kBatchWarps = 8;
inline constexpr int kBatchThreads = 32 * kBatchWarps;
inline constexpr int kUnitBlocks = 8;  // of 16 outputs
inline constexpr int kUnitOutputs = kUnitBlocks * kTileRows;
inline constexpr int kUnitTiles = 2;  // along the positions
inline constexpr int kUnitPositions = kUnitTiles * kTilePositions;
inline constexpr int kSumPitch = kUnitOutputs + 4;  // floats between rows of sums: their writers meet 32 banks

struct BatchArguments : LinearArguments {
  int chunks;  // units of the same outputs
  int units_a_cta, units_extra;
  int group_bytes;  // of the scales and zeros of 16 outputs
  bool sym;
  float* sums;        // [2·CTAs, columns, 128] of parts of outputs: a CTA's first, and its last
  unsigned* arrived;  // of each 128 outputs, zero between launches
};

// kSteps: steps of 16 positions that share a scale, 4 or 1.
template <int kBits>
constexpr int batch_codes_bytes() {
  return kUnitBlocks * kUnitTiles * 128 * kBits;
}
// The stages of the ring; eight bits or 64 rows leave room for three.
template <int kBits, int kColumns>
constexpr int batch_depth() {
  return kBits == 8 || kColumns > 32 ? 3 : 4;
}
constexpr int batch_scale_bytes(int steps) { return (4 / steps) * 64; }  // of a tile, with zeros
template <int kBits, int kSteps, int kColumns>
constexpr int batch_stage_bytes() {
  return batch_codes_bytes<kBits>() + kUnitBlocks * kUnitTiles * batch_scale_bytes(kSteps) +
         kColumns * kUnitPositions * 2;
}
template <int kBits, int kSteps, int kColumns>
constexpr int batch_shared_bytes() {
  return batch_depth<kBits, kColumns>() * batch_stage_bytes<kBits, kSteps, kColumns>() + kColumns * kSumPitch * 4;
}

// Rows of x in a stage are 256 bytes; chunks of 16 change places, so that four rows of the same positions meet 32
// banks.
__device__ __forceinline__ int x_offset(int row, int chunk) {
  return row * (kUnitPositions * 2) + (chunk ^ (row % 4 * 2)) * 16;
}

// A CTA's share of the units; the first `units_extra` CTAs have one more than the others.
struct UnitRange {
  int begin, end;
  __device__ __forceinline__ UnitRange(const BatchArguments& p, int cta)
      : begin(cta * p.units_a_cta + min(cta, p.units_extra)),
        end(begin + p.units_a_cta + (cta < p.units_extra ? 1 : 0)) {}
};
__device__ __forceinline__ int owner_of(const BatchArguments& p, int unit) {
  const int with_extra = p.units_extra * (p.units_a_cta + 1);
  return unit < with_extra ? unit / (p.units_a_cta + 1) : p.units_extra + (unit - with_extra) / p.units_a_cta;
}

// Which block of 16 outputs is the `slot`th of the eight that go together; with gated weights four of the gate and the
// same of up. Its block is past the end where there is none.
__device__ __forceinline__ BlockPlace slot_place(const BatchArguments& p, int output_tile, int slot) {
  constexpr int kHalf = kUnitBlocks / 2;
  if (p.gated) return {slot / kHalf, output_tile * kHalf + slot % kHalf};
  return place_of(p, output_tile * kUnitBlocks + slot, 0);
}

// A thread's part in bringing units to shared memory, one after the other.
template <int kBits, int kSteps, int kColumns>
class UnitFetcher {
 public:
  __device__ __forceinline__ UnitFetcher(const BatchArguments& p, const UnitRange& range) : p_(p) {
    weights_ = {range.begin / p.chunks, range.begin % p.chunks};
    inputs_chunk_ = weights_.chunk;
    enter_outputs();
  }

  // Codes and scales of the next unit.
  __device__ __forceinline__ void fetch_weights(std::byte* stage) {
    const int thread = static_cast<int>(threadIdx.x), first_tile = weights_.chunk * kUnitTiles;
    const int tiles = min(kUnitTiles, p_.tiles - first_tile);
#pragma unroll
    for (int i = 0; i < kCopies; ++i) {
      const int at = thread + i * kBatchThreads, within = at % kSlotCopies;
      if (codes_[i] != nullptr && within < tiles * kBits * 8)
        copy_async_16(stage + at * 16, codes_[i] + (first_tile * kBits * 8 + within) * 16);
    }
    if (scales_ != nullptr && scale_tile_ < tiles) {
      copy_async_16(stage + batch_codes_bytes<kBits>() + thread * 16,
                    scales_ + group_of(first_tile + scale_tile_) * p_.group_bytes);
    }
    if (++weights_.chunk == p_.chunks) {
      weights_ = {weights_.outputs + 1, 0};
      enter_outputs();
    }
  }

  // x of the next unit.
  template <typename T>
  __device__ __forceinline__ void fetch_inputs(std::byte* stage) {
    std::byte* to = stage + batch_stage_bytes<kBits, kSteps, kColumns>() - kColumns * kUnitPositions * 2;
    const T* from = static_cast<const T*>(p_.x);
#pragma unroll
    for (int i = 0; i < kColumns * 16 / kBatchThreads; ++i) {
      const int at = static_cast<int>(threadIdx.x) + i * kBatchThreads, row = at / 16, chunk = at % 16;
      const int position = inputs_chunk_ * kUnitPositions + chunk * 8;
      const bool valid = row < p_.rows && position < p_.k;
      copy_async_16(to + x_offset(row, chunk), from + (valid ? row * p_.x_stride + position : 0), valid);
    }
    if (++inputs_chunk_ == p_.chunks) inputs_chunk_ = 0;
  }

 private:
  static constexpr int kSlotCopies = kUnitTiles * kBits * 8;  // of 16 bytes, for a block of 16 outputs
  static constexpr int kCopies = (kUnitBlocks * kSlotCopies + kBatchThreads - 1) / kBatchThreads;
  struct Place {
    int outputs, chunk;
  };

  __device__ __forceinline__ int group_of(int tile) const {
    if (kSteps == 1) return tile * 4 / p_.group_steps;
    return p_.group_tiles_inverse == 0
               ? tile
               : static_cast<int>(__umulhi(static_cast<uint32_t>(tile), p_.group_tiles_inverse));
  }

  __device__ __forceinline__ void enter_outputs() {
    const int thread = static_cast<int>(threadIdx.x);
#pragma unroll
    for (int i = 0; i < kCopies; ++i) {
      const int slot = (thread + i * kBatchThreads) / kSlotCopies;
      codes_[i] = nullptr;
      if (slot >= kUnitBlocks) continue;
      const BlockPlace place = slot_place(p_, weights_.outputs, slot);
      if (place.block * kTileRows < p_.parts[place.part].n)
        codes_[i] = p_.parts[place.part].codes + int64_t{place.block} * p_.tiles * (128 * kBits);
    }
    // A tile has room for the scales and zeros of its groups; symmetric grids leave the second half empty.
    constexpr int kScaleCopies = batch_scale_bytes(kSteps) / 16;
    const int slot = thread / kScaleCopies / kUnitTiles, copy = thread % kScaleCopies * 16;
    scale_tile_ = thread / kScaleCopies % kUnitTiles;
    scales_ = nullptr;
    if (slot >= kUnitBlocks || copy >= p_.group_bytes * (4 / kSteps)) return;
    const BlockPlace place = slot_place(p_, weights_.outputs, slot);
    if (place.block * kTileRows < p_.parts[place.part].n) {
      scales_ = p_.parts[place.part].scales + int64_t{place.block} * (p_.groups + kSpareGroups) * p_.group_bytes + copy;
    }
  }

  const BatchArguments& p_;
  Place weights_;
  int inputs_chunk_, scale_tile_ = 0;
  const std::byte* codes_[kCopies];  // of the blocks that this thread copies from; null past the end
  const std::byte* scales_;
};

// total += one tile of each of kBlocks blocks · x, whose rows are kColumns. `x` is where the lane's row of x begins in
// the stage, its part of a chunk included; `steps` are the places of the tile's chunks in a row.
template <typename T, int kBits, int kSteps, int kColumns, int kBlocks>
__device__ __forceinline__ void multiply_unit_tile(float (&total)[kBlocks][kColumns / 8][4], const BatchArguments& p,
                                                   const std::byte* codes, const std::byte* scales, const std::byte* x,
                                                   const int (&steps)[4], int tile, int lane, uint32_t offset) {
  uint32_t words[kBlocks][kBits], zero[kBlocks][2];
  float2 scale[kBlocks];
  float sums[kBlocks][kColumns / 8][4] = {};
#pragma unroll
  for (int b = 0; b < kBlocks; ++b) load_codes<kBits>(words[b], codes + b * kUnitTiles * (128 * kBits), lane);
#pragma unroll
  for (int s = 0; s < 4; ++s) {
    if (s % kSteps == 0) {
      const int group = kSteps == 1 ? (tile * 4 + s) / p.group_steps - tile * 4 / p.group_steps : 0;
#pragma unroll
      for (int b = 0; b < kBlocks; ++b) {
        const std::byte* entry = scales + b * kUnitTiles * batch_scale_bytes(kSteps) + group * p.group_bytes;
        if (p.sym) {
          scale[b] = unpack_pair<__half>(*reinterpret_cast<const uint32_t*>(entry + lane / 4 * 4));
          zero[b][0] = zero[b][1] = kMiddleZeros<T, kBits>;
        } else {
          const uint2 both = *reinterpret_cast<const uint2*>(entry + lane / 4 * 8);
          scale[b] = unpack_pair<__half>(both.x);
          make_zeros<T, kBits>(zero[b], both.y);
        }
      }
    }
    uint2 columns[kColumns / 8];
#pragma unroll
    for (int n = 0; n < kColumns / 8; ++n)
      columns[n] = *reinterpret_cast<const uint2*>(x + n * 8 * (kUnitPositions * 2) + steps[s]);
#pragma unroll
    for (int b = 0; b < kBlocks; ++b) {
      uint32_t a[4];
      make_operand<T, kBits>(a, words[b], s, zero[b], offset);
#pragma unroll
      for (int n = 0; n < kColumns / 8; ++n) {
        const uint32_t pair[2] = {columns[n].x, columns[n].y};
        mma_16x8x16<T>(sums[b][n], a, pair);
      }
    }
    if ((s + 1) % kSteps != 0) continue;
#pragma unroll
    for (int b = 0; b < kBlocks; ++b) {
#pragma unroll
      for (int n = 0; n < kColumns / 8; ++n) {
        for (int i = 0; i < 4; ++i) {
          total[b][n][i] += sums[b][n][i] * (i < 2 ? scale[b].x : scale[b].y);
          sums[b][n][i] = 0.0f;
        }
      }
    }
  }
}

// The sums of a CTA for 128 outputs, all their positions or a part of them, become results or wait for the others.
//   sums [columns, kSumPitch] in shared memory
template <typename T, int kColumns>
__device__ __forceinline__ void finish_outputs(const BatchArguments& p, int outputs, float* sums, unsigned* is_last) {
  const int thread = static_cast<int>(threadIdx.x);
  const int first = owner_of(p, outputs * p.chunks), last = owner_of(p, (outputs + 1) * p.chunks - 1);
  constexpr int64_t kPart = int64_t{kColumns} * kUnitOutputs;
  if (first != last) {
    // Of the CTAs that meet here only the first may have begun with other outputs.
    const int later = UnitRange(p, first).begin < outputs * p.chunks ? 1 : 0;
    const auto part_of = [&](int cta) { return p.sums + (2 * cta + (cta == first ? later : 0)) * kPart; };
    float* mine = part_of(static_cast<int>(blockIdx.x));
    for (int i = thread * 4; i < p.rows * kUnitOutputs; i += kBatchThreads * 4) {
      *reinterpret_cast<float4*>(mine + i) =
          *reinterpret_cast<const float4*>(sums + i / kUnitOutputs * kSumPitch + i % kUnitOutputs);
    }
    __threadfence();
    __syncthreads();
    if (thread == 0) *is_last = atomicInc(p.arrived + outputs, static_cast<unsigned>(last - first));
    __syncthreads();
    if (*is_last != static_cast<unsigned>(last - first)) return;
    __threadfence();
    for (int i = thread * 4; i < p.rows * kUnitOutputs; i += kBatchThreads * 4) {
      float4 sum = {};
#pragma unroll 8
      for (int cta = first; cta <= last; ++cta) {
        const float4 part = __ldcg(reinterpret_cast<const float4*>(part_of(cta) + i));
        sum.x += part.x, sum.y += part.y, sum.z += part.z, sum.w += part.w;
      }
      *reinterpret_cast<float4*>(sums + i / kUnitOutputs * kSumPitch + i % kUnitOutputs) = sum;
    }
    __syncthreads();
  }
  const int count = p.gated ? kUnitOutputs / 2 : kUnitOutputs;
  for (int i = thread; i < p.rows * count; i += kBatchThreads) {
    const int output = i % count, m = i / count;
    const BlockPlace place = slot_place(p, outputs, output / kTileRows);
    const int n = place.block * kTileRows + output % kTileRows;
    if (n >= p.parts[place.part].n) continue;
    const float* value = sums + m * kSumPitch + output;
    store_output<T>(p, place.part, n, m, value[0], p.gated ? value[kUnitOutputs / 2] : 0.0f);
  }
}

template <typename T, int kBits, int kSteps, int kColumns>
__global__ void __launch_bounds__(kBatchThreads, 2) batch_linear_kernel(const __grid_constant__ BatchArguments p) {
  constexpr int kDepth = batch_depth<kBits, kColumns>();
  constexpr int kBlocks = kColumns > 32 ? 1 : 2, kTileWarps = kBatchWarps * kBlocks / kUnitBlocks;
  extern __shared__ __align__(16) std::byte shared[];
  __shared__ unsigned is_last;
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int slot = warp % (kUnitBlocks / kBlocks) * kBlocks, first_tile = warp / (kUnitBlocks / kBlocks);
  constexpr int kStage = batch_stage_bytes<kBits, kSteps, kColumns>(), kScales = batch_codes_bytes<kBits>(),
                kInputs = kStage - kColumns * kUnitPositions * 2;
  float* sums = reinterpret_cast<float*>(shared + kDepth * kStage);
  const UnitRange range(p, static_cast<int>(blockIdx.x));
  const uint32_t offset = in_register(kOffset<NumberType<T, kBits>> * 0x10001u);

  // Four positions of row lane / 4 (x_offset): a step's two chunks stay neighbours.
  const int x_lane = lane / 4 * (kUnitPositions * 2) + lane % 4 * 8;
  int steps[4];
  for (int s = 0; s < 4; ++s) steps[s] = ((s * 2) ^ (lane / 4 % 4 * 2)) * 16;

  UnitFetcher<kBits, kSteps, kColumns> fetcher(p, range);
  int ahead = min(kDepth - 1, range.end - range.begin);
  for (int i = 0; i < ahead; ++i) fetcher.fetch_weights(shared + i * kStage);
  wait_for_previous();
  for (int i = 0; i < kDepth - 1; ++i) {
    if (i < ahead) fetcher.template fetch_inputs<T>(shared + i * kStage);
    commit_copies();
  }

  float total[kBlocks][kColumns / 8][4] = {};
  int outputs = range.begin / p.chunks, chunk = range.begin % p.chunks, at = 0, free = kDepth - 1;
  for (int unit = range.begin; unit < range.end; ++unit) {
    wait_for_copies<kDepth - 2>();
    __syncthreads();
    if (unit + kDepth - 1 < range.end) {
      fetcher.fetch_weights(shared + free * kStage);
      fetcher.template fetch_inputs<T>(shared + free * kStage);
    }
    commit_copies();
    if (unit + 1 == range.end) let_next_start();
#pragma unroll
    for (int t = first_tile; t < kUnitTiles; t += kTileWarps) {
      const int tile = chunk * kUnitTiles + t;
      if (tile >= p.tiles) continue;
      const std::byte* stage = shared + at * kStage;
      multiply_unit_tile<T, kBits, kSteps, kColumns, kBlocks>(
          total, p, stage + (slot * kUnitTiles + t) * (128 * kBits),
          stage + kScales + (slot * kUnitTiles + t) * batch_scale_bytes(kSteps), stage + kInputs + x_lane + t * 128,
          steps, tile, lane, offset);
    }
    free = at;
    at = at + 1 == kDepth ? 0 : at + 1;
    if (++chunk < p.chunks && unit + 1 < range.end) continue;

      // The warps of the same outputs add up in shared memory, in their order.
#pragma unroll
    for (int turn = 0; turn < kTileWarps; ++turn) {
      if (turn > 0) __syncthreads();
      if (first_tile != turn) continue;
#pragma unroll
      for (int b = 0; b < kBlocks; ++b) {
#pragma unroll
        for (int n = 0; n < kColumns / 8; ++n) {
          for (int i = 0; i < 4; ++i) {
            float* sum =
                sums + (n * 8 + lane % 4 * 2 + i % 2) * kSumPitch + (slot + b) * kTileRows + lane / 4 + i / 2 * 8;
            *sum = turn == 0 ? total[b][n][i] : *sum + total[b][n][i];
            total[b][n][i] = 0.0f;
          }
        }
      }
    }
    __syncthreads();
    finish_outputs<T, kColumns>(p, outputs, sums, &is_last);
    ++outputs;
    chunk = 0;
  }
}

}  // namespace gptq::cuda
