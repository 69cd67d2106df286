// y = x · Wᵀ for 9 to 64 rows of x and packed W, optionally fused with the following residual addition or SiLU.
//
//   shapes   x [M, K] 16-bit, in the order of positions     W packed (packed.h)     y [M, N]
//   work     a unit is 128 outputs × 128 positions; the units of all outputs form one sequence, and each CTA processes
//            an equal share of it: shares may end within an output's positions, so the load is balanced. A CTA with
//            only a part of an output's positions writes its sums to memory, and the last of these CTAs to finish adds
//            them in order: results are deterministic
//   reading  codes, scales and x of the next units are in flight by cp.async; codes and scales even before the
//            previous kernel has finished (programmatic dependent launch)
//   tensor   codes are converted to exact integers of the 16-bit type in registers, 16 outputs per warp, and multiplied
//   cores    with x from shared memory; the scale of a group is applied to the fp32 sum of its 64 positions (16 if the
//            group size is not a multiple of 64)
//   bytes    the weights once; x once per 128 outputs, from the L2 cache
//   limits   K a multiple of 32, N of 16
// Source of the even shares: Osama et al., "Stream-K: Work-centric Parallel Decomposition for Dense Matrix-Matrix
// Multiplication on the GPU" (2023).
#pragma once

#include "backend/cuda/linear/fused_linear.cuh"

namespace gptq::backend::cuda {

inline constexpr int kUnitBlocks = 8;  // of 16 outputs, one per warp
inline constexpr int kUnitOutputs = kUnitBlocks * kTileRows;
inline constexpr int kUnitTiles = 2;  // along the positions
inline constexpr int kUnitPositions = kUnitTiles * kTilePositions;
inline constexpr int kBatchThreads = 32 * kUnitBlocks;
inline constexpr int kSumPitch = kUnitOutputs + 4;  // floats between rows of sums, for writes without bank conflicts

struct BatchArguments : LinearArguments {
  int chunks;  // units of the same outputs
  int units_a_cta, units_extra;
  int group_bytes;  // of the scales and zeros of 16 outputs
  bool sym;
  float* sums;        // [2·CTAs, columns / 8, 4, threads] of parts of outputs: a CTA's first, and its last
  unsigned* arrived;  // of each 128 outputs, zero between launches
};

// ---- a stage in shared memory: x [tiles, columns, 64], codes [blocks, tiles], scales [blocks, tiles].
// kSteps: steps of 16 positions that share a scale, 4 or 1. kColumns: maximum rows of x.
template <int kBits, int kSteps, int kColumns>
struct BatchStage {
  static constexpr int kDepth = kBits == 8 || kColumns > 32 ? 3 : 4;
  static constexpr int kInputTile = kColumns * kTilePositions * 2;
  static constexpr int kCodesTile = 128 * kBits;
  static constexpr int kScalesTile = 4 / kSteps * 64;  // the second half is unused for symmetric grids
  static constexpr int kCodes = kUnitTiles * kInputTile;
  static constexpr int kScales = kCodes + kUnitBlocks * kUnitTiles * kCodesTile;
  static constexpr int kBytes = kScales + kUnitBlocks * kUnitTiles * kScalesTile;
  static_assert(kBytes % 1024 == 0);
  static constexpr int kSharedBytes = kDepth * kBytes + kColumns * kSumPitch * 4 + 16;
};

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

// The block of 16 outputs at `slot` of the eight of a unit; with gated weights four of the gate and the same four of
// up. Past the end if there is no such block.
__device__ __forceinline__ BlockCoord slot_place(const BatchArguments& p, int outputs, int slot) {
  constexpr int kHalf = kUnitBlocks / 2;
  if (p.gated) return {slot / kHalf, outputs * kHalf + slot % kHalf};
  return coord_of(p, outputs * kUnitBlocks + slot, 0);
}

// A thread's part of copying units to shared memory, one after the other.
template <typename T, int kBits, int kSteps, int kColumns>
class UnitFetcher {
 public:
  using Stage = BatchStage<kBits, kSteps, kColumns>;

  __device__ __forceinline__ UnitFetcher(const BatchArguments& p, const UnitRange& range)
      : p_(p), thread_(static_cast<int>(threadIdx.x)) {
    outputs_ = range.begin / p.chunks;
    chunk_ = inputs_chunk_ = range.begin % p.chunks;
    const int row = thread_ / 16, piece = thread_ % 16;
    input_to_ = piece / 8 * Stage::kInputTile + row * 128 + (piece % 8 ^ row % 8) * 16;
    input_ = static_cast<const T*>(p.x) + row * p.x_stride + piece * 8;
    enter_outputs();
  }

  // Copies codes and scales of the next unit.
  __device__ __forceinline__ void fetch_weights(std::byte* stage) {
    const int tiles = p_.tiles - chunk_ * kUnitTiles;  // left of the outputs, this unit's first
#pragma unroll
    for (int i = 0; i < kCopies; ++i) {
      const int at = thread_ + i * kBatchThreads;
      if (codes_[i] != nullptr && at % kSlotCopies / kTileCopies < tiles)
        copy_async_16(stage + Stage::kCodes + at * 16, codes_[i] + chunk_ * (kSlotCopies * 16));
    }
    if (scales_ != nullptr && scale_tile_ < tiles) {
      copy_async_16(stage + Stage::kScales + thread_ * 16,
                    scales_ + group_of(chunk_ * kUnitTiles + scale_tile_) * p_.group_bytes);
    }
    if (++chunk_ == p_.chunks) {
      chunk_ = 0;
      ++outputs_;
      enter_outputs();
    }
  }

  // Copies x of the next unit.
  __device__ __forceinline__ void fetch_inputs(std::byte* stage) {
    const int position = inputs_chunk_ * kUnitPositions;
    const bool inside = position + thread_ % 16 * 8 < p_.k;
    const T* from = input_ + position;
#pragma unroll
    for (int i = 0; i < kColumns / 16; ++i) {
      const bool valid = inside && thread_ / 16 + i * 16 < p_.rows;
      copy_async_16(stage + input_to_ + i * 16 * 128, valid ? from + i * 16 * p_.x_stride : input_, valid);
    }
    if (++inputs_chunk_ == p_.chunks) inputs_chunk_ = 0;
  }

 private:
  static constexpr int kTileCopies = kBits * 8;  // of 16 bytes
  static constexpr int kSlotCopies = kUnitTiles * kTileCopies;
  static constexpr int kCopies = (kUnitBlocks * kSlotCopies + kBatchThreads - 1) / kBatchThreads;

  __device__ __forceinline__ int group_of(int tile) const {
    if (kSteps == 1) return tile * 4 / p_.group_steps;
    return p_.group_tiles_inverse == 0
               ? tile
               : static_cast<int>(__umulhi(static_cast<uint32_t>(tile), p_.group_tiles_inverse));
  }

  __device__ __forceinline__ void enter_outputs() {
#pragma unroll
    for (int i = 0; i < kCopies; ++i) {
      const int at = thread_ + i * kBatchThreads, slot = at / kSlotCopies;
      codes_[i] = nullptr;
      if (slot >= kUnitBlocks) continue;
      const BlockCoord coord = slot_place(p_, outputs_, slot);
      if (coord.block * kTileRows < p_.parts[coord.part].n) {
        codes_[i] =
            p_.parts[coord.part].codes + int64_t{coord.block} * p_.tiles * Stage::kCodesTile + at % kSlotCopies * 16;
      }
    }
    constexpr int kScaleCopies = Stage::kScalesTile / 16;
    const int slot = thread_ / kScaleCopies / kUnitTiles, copy = thread_ % kScaleCopies * 16;
    scale_tile_ = thread_ / kScaleCopies % kUnitTiles;
    scales_ = nullptr;
    if (slot >= kUnitBlocks || copy >= p_.group_bytes * (4 / kSteps)) return;
    const BlockCoord coord = slot_place(p_, outputs_, slot);
    if (coord.block * kTileRows < p_.parts[coord.part].n) {
      scales_ = p_.parts[coord.part].scales + int64_t{coord.block} * (p_.groups + kSpareGroups) * p_.group_bytes + copy;
    }
  }

  const BatchArguments& p_;
  int thread_, outputs_, chunk_, inputs_chunk_, scale_tile_ = 0, input_to_;
  const T* input_;                   // of the thread's first row
  const std::byte* codes_[kCopies];  // of the blocks that this thread copies from; null past the end
  const std::byte* scales_;
};

// A warp's operands for one tile of its 16 outputs.
template <typename T, int kBits, int kSteps>
struct TileOperand {
  uint32_t a[4 / kSteps][kSteps][4];
  float2 scale[4 / kSteps];

  __device__ __forceinline__ void load(const BatchArguments& p, const std::byte* codes, const std::byte* scales,
                                       int tile, int lane, uint32_t offset) {
    uint32_t words[kBits], zero[2];
    load_codes<kBits>(words, codes, lane);
#pragma unroll
    for (int s = 0; s < 4; ++s) {
      if (s % kSteps == 0) {
        const int group = kSteps == 1 ? (tile * 4 + s) / p.group_steps - tile * 4 / p.group_steps : 0;
        const std::byte* entry = scales + group * p.group_bytes;
        if (p.sym) {
          scale[s / kSteps] = unpack_pair<__half>(*reinterpret_cast<const uint32_t*>(entry + lane / 4 * 4));
          zero[0] = zero[1] = kMiddleZeros<T, kBits>;
        } else {
          const uint2 both = *reinterpret_cast<const uint2*>(entry + lane / 4 * 8);
          scale[s / kSteps] = unpack_pair<__half>(both.x);
          make_zeros<T, kBits>(zero, both.y);
        }
      }
      make_operand<T, kBits>(a[s / kSteps][s % kSteps], words, s, zero, offset);
    }
  }
};

// Combines the sums of 128 outputs over all CTAs that have a part of their positions: true for the CTA that obtains the
// total; others only write theirs to memory.   total: of the warp's 16 outputs, rows of x on the column side
template <int kColumns>
__device__ __forceinline__ bool gather_sums(const BatchArguments& p, int outputs, float (&total)[kColumns / 8][4],
                                            unsigned* arrived) {
  const int first = owner_of(p, outputs * p.chunks), last = owner_of(p, (outputs + 1) * p.chunks - 1);
  if (first == last) return true;
  constexpr int64_t kPart = int64_t{kColumns} * kUnitOutputs;
  // Of the CTAs with parts of these outputs, only the first may have begun with other outputs.
  const int later = UnitRange(p, first).begin < outputs * p.chunks ? 1 : 0;
  const auto part_of = [&](int cta) {
    return reinterpret_cast<float4*>(p.sums + (2 * cta + (cta == first ? later : 0)) * kPart) + threadIdx.x;
  };
  float4* mine = part_of(static_cast<int>(blockIdx.x));
  for (int n = 0; n < kColumns / 8; ++n)
    mine[n * kBatchThreads] = make_float4(total[n][0], total[n][1], total[n][2], total[n][3]);
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) *arrived = atomicInc(p.arrived + outputs, static_cast<unsigned>(last - first));
  __syncthreads();
  if (*arrived != static_cast<unsigned>(last - first)) return false;
  __threadfence();
  for (auto& sums : total) sums[0] = sums[1] = sums[2] = sums[3] = 0.0f;
#pragma unroll 2
  for (int cta = first; cta <= last; ++cta) {
    const float4* part = part_of(cta);
#pragma unroll
    for (int n = 0; n < kColumns / 8; ++n) {
      const float4 v = __ldcg(part + n * kBatchThreads);
      total[n][0] += v.x, total[n][1] += v.y, total[n][2] += v.z, total[n][3] += v.w;
    }
  }
  return true;
}

// Writes the results from sums [columns, kSumPitch] of 128 outputs in shared memory.
template <typename T>
__device__ __forceinline__ void finish_outputs(const BatchArguments& p, int outputs, const float* sums) {
  const int count = p.gated ? kUnitOutputs / 2 : kUnitOutputs;
  const int output = static_cast<int>(threadIdx.x) % count;
  const BlockCoord coord = slot_place(p, outputs, output / kTileRows);
  const int n = coord.block * kTileRows + output % kTileRows;
  if (n >= p.parts[coord.part].n) return;
  const OutputColumn column(p, coord.part, n);
  for (int m = static_cast<int>(threadIdx.x) / count; m < p.rows; m += kBatchThreads / count) {
    const float* value = sums + m * kSumPitch + output;
    store_output<T>(p, column, m, value[0], p.gated ? value[kUnitOutputs / 2] : 0.0f);
  }
}

template <typename T, int kBits, int kSteps, int kColumns>
__global__ void __launch_bounds__(kBatchThreads, 2) batch_linear_kernel(const __grid_constant__ BatchArguments p) {
  using Stage = BatchStage<kBits, kSteps, kColumns>;
  constexpr int kDepth = Stage::kDepth;
  extern __shared__ __align__(1024) std::byte shared[];
  float* sums = reinterpret_cast<float*>(shared + kDepth * Stage::kBytes);
  unsigned* arrived = reinterpret_cast<unsigned*>(sums + kColumns * kSumPitch);
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const UnitRange range(p, static_cast<int>(blockIdx.x));
  const uint32_t offset = in_register(kOffset<NumberType<T, kBits>> * 0x10001u);

  UnitFetcher<T, kBits, kSteps, kColumns> fetcher(p, range);
  const int ahead = min(kDepth - 1, range.end - range.begin);
  for (int i = 0; i < ahead; ++i) fetcher.fetch_weights(shared + i * Stage::kBytes);
  wait_for_previous();
  for (int i = 0; i < kDepth - 1; ++i) {
    if (i < ahead) fetcher.fetch_inputs(shared + i * Stage::kBytes);
    commit_copies();
  }

  float total[kColumns / 8][4] = {};
  int outputs = range.begin / p.chunks, chunk = range.begin % p.chunks, at = 0, free = kDepth - 1;
  for (int unit = range.begin; unit < range.end; ++unit) {
    wait_for_copies<kDepth - 2>();
    shared_is_ready();
    __syncthreads();
    if (unit + kDepth - 1 < range.end) {
      fetcher.fetch_weights(shared + free * Stage::kBytes);
      fetcher.fetch_inputs(shared + free * Stage::kBytes);
    }
    commit_copies();
    if (unit + 1 == range.end) let_next_start();

    const std::byte* stage = shared + at * Stage::kBytes;
#pragma unroll
    for (int t = 0; t < kUnitTiles; ++t) {
      const int tile = chunk * kUnitTiles + t, inverse_perm = warp * kUnitTiles + t;
      if (tile >= p.tiles) break;
      TileOperand<T, kBits, kSteps> operand;
      operand.load(p, stage + Stage::kCodes + inverse_perm * Stage::kCodesTile,
                   stage + Stage::kScales + inverse_perm * Stage::kScalesTile, tile, lane, offset);
#pragma unroll
      for (int g = 0; g < 4 / kSteps; ++g) {
        float product[kColumns / 8][4];
        start_product<T, kSteps>(product, operand.a[g], stage + t * Stage::kInputTile + g * kSteps * 32, lane);
        finish_product(product, operand.a[g]);
#pragma unroll
        for (int n = 0; n < kColumns / 8; ++n) {
          for (int i = 0; i < 4; ++i) total[n][i] += product[n][i] * (i < 2 ? operand.scale[g].x : operand.scale[g].y);
        }
      }
    }
    free = at;
    at = at + 1 == kDepth ? 0 : at + 1;
    if (++chunk < p.chunks && unit + 1 < range.end) continue;

    if (gather_sums<kColumns>(p, outputs, total, arrived)) {
#pragma unroll
      for (int n = 0; n < kColumns / 8; ++n) {
        for (int i = 0; i < 4; ++i)
          sums[(n * 8 + lane % 4 * 2 + i % 2) * kSumPitch + warp * kTileRows + lane / 4 + i / 2 * 8] = total[n][i];
      }
      __syncthreads();
      finish_outputs<T>(p, outputs, sums);
    }
    for (auto& column : total) column[0] = column[1] = column[2] = column[3] = 0.0f;
    ++outputs;
    chunk = 0;
  }
}

}  // namespace gptq::backend::cuda
