// Decoding attention: norm, rotation and storing of a new token's q, k, v, then attention over its sequence.
//
//   out[b, h] = Σ_j softmax_j(scale · q[b, h] · k_j) · v_j     over cache positions j ≤ p = positions[b]   // [B, H·D]
//
// Layout: the cache is [slots, Hkv·D]; 16 keys at a time come to shared memory, [16, kD] with kD ≥ D a power of two.
// Work: grid (splits, Hkv · blocks of 16 query heads, B). All query heads of a key head are the 16 rows of the tensor
//   core products, so each key is read once. A CTA takes one contiguous share of the keys; its warps take tiles of 16
//   in turn, each with its own ring of asynchronous copies and its own online softmax, and meet only at the end. How
//   many shares a sequence has depends on p, on the device; CTAs beyond that leave at once. The last CTA to finish
//   adds the shares in their order, so the same input gives the same bits.
// Bytes: 4·Hkv·D for each key in sight; next to it q, k, v, out and splits · (D + 2) floats a head, which stay in L2.
// Not here: more than one new token of a sequence (attention_prefill.cu).
#include <algorithm>
#include <bit>

#include "backend/cuda/attention/attention.h"
#include "backend/cuda/attention/attention_tile.cuh"
#include "backend/cuda/runtime/launch.h"
#include "core/check.h"

namespace gptq::cuda {

namespace {

constexpr int kRows = 16;  // query heads of a CTA
constexpr int kKeys = 16;  // keys of a tile
constexpr int kNewKey = kRows, kNewValue = kRows + 1;
constexpr int kMaxSplits = 128;
// A share below this many keys costs more to add than to read in sequence; a long one is worth it only where there
// are too few CTAs otherwise.
constexpr int kOneShare = 256, kLeastShare = 128, kLongShare = 1024;

template <int kD>
struct DecodeShape {
  static constexpr int kWarps = kD > 128 ? 2 : 4;
  static constexpr int kThreads = 32 * kWarps;
  static constexpr int kStages = kD > 64 ? 2 : 4;  // of a warp's ring
  static constexpr int kTile = kKeys * kD;         // elements of the keys, or values, of a stage
  static constexpr int kCtas = 3;                  // that should fit on a multiprocessor
  static constexpr int kPitch = kD + 8;            // of partial results in shared memory, floats
  static constexpr size_t kNewBytes = size_t{2} * (kRows + 2) * kD;
  static constexpr size_t kRingBytes = size_t{2} * kWarps * kStages * 2 * kTile;
  static_assert(kRingBytes >= sizeof(float) * kWarps * kRows * kPitch);
  static_assert(kRingBytes >= sizeof(float) * kMaxSplits * kRows);
};

struct DecodeArgs {
  DecodeAttentionProblem problem;
  int group;        // query heads of a key head
  int head_blocks;  // of kRows of them
  int rows;         // most query heads of a CTA
  int page_shift;
  int window;       // 0 = none
  int least_tiles;  // of a share
  float exponent;   // scale · log₂ e
};

// Which part of its sequence a CTA has, in tiles.
struct Share {
  int begin = 0, end = 0, active = 0;  // active: CTAs that have one

  __device__ Share(int first, int position, int splits, int split, int least_tiles) {
    const int first_tile = first / kKeys, tiles = position / kKeys + 1 - first_tile;
    const int wanted = max((tiles + splits - 1) / splits, least_tiles);
    const int size = tiles <= kOneShare / kKeys ? tiles : (wanted + 3) / 4 * 4;
    active = (tiles + size - 1) / size;
    begin = first_tile + split * size;
    end = min(begin + size, first_tile + tiles);
  }
};

// Norm (where there is a weight) and rotation of one row of `tile` in place by a warp, each rounded to 16 bits.
template <int kD, typename Element>
__device__ void norm_and_rotate(Element* tile, int row, int head_dim, const float* weight, float eps,
                                const float (&cosine)[kD / 64 + (kD < 64)], const float (&sine)[kD / 64 + (kD < 64)],
                                int lane) {
  constexpr int kPairs = kD / 64 + (kD < 64);
  const int half = head_dim / 2;
  float a[kPairs], b[kPairs];
  float squares = 0;
#pragma unroll
  for (int i = 0; i < kPairs; ++i) {
    const int col = lane + 32 * i;
    const bool valid = col < half;
    a[i] = valid ? to_float(tile[element_offset<kD>(row, col)]) : 0.0f;
    b[i] = valid ? to_float(tile[element_offset<kD>(row, col + half)]) : 0.0f;
    squares += a[i] * a[i] + b[i] * b[i];
  }
  if (weight != nullptr) {
    const float factor = rsqrtf(warp_sum(squares) / static_cast<float>(head_dim) + eps);
#pragma unroll
    for (int i = 0; i < kPairs; ++i) {
      const int col = lane + 32 * i;
      if (col >= half) continue;
      a[i] = to_float(from_float<Element>(a[i] * factor * weight[col]));
      b[i] = to_float(from_float<Element>(b[i] * factor * weight[col + half]));
    }
  }
  __syncwarp();
#pragma unroll
  for (int i = 0; i < kPairs; ++i) {
    const int col = lane + 32 * i;
    if (col >= half) continue;
    tile[element_offset<kD>(row, col)] = from_float<Element>(a[i] * cosine[i] - b[i] * sine[i]);
    tile[element_offset<kD>(row, col + half)] = from_float<Element>(b[i] * cosine[i] + a[i] * sine[i]);
  }
}

template <typename Element, int kD>
__global__ void __launch_bounds__(DecodeShape<kD>::kThreads, DecodeShape<kD>::kCtas)
    decode_attention(const __grid_constant__ DecodeArgs args) {
  using Shape = DecodeShape<kD>;
  constexpr int kWarps = Shape::kWarps, kStages = Shape::kStages, kChunks = kD / 8;
  constexpr int kPairs = kD / 64 + (kD < 64);
  extern __shared__ uint4 dynamic_shared[];
  __shared__ float2 warp_state[kWarps][kRows];  // largest score and sum of weights
  __shared__ unsigned arrived;

  const DecodeAttentionProblem& problem = args.problem;
  const int thread = static_cast<int>(threadIdx.x), warp = thread / 32, lane = thread % 32;
  const int split = static_cast<int>(blockIdx.x), splits = static_cast<int>(gridDim.x);
  const int sequence = static_cast<int>(blockIdx.z);
  const int kv_head = static_cast<int>(blockIdx.y) / args.head_blocks;
  const int head_block = static_cast<int>(blockIdx.y) % args.head_blocks;
  const int rows = min(args.group - head_block * kRows, kRows);
  const int first_head = kv_head * args.group + head_block * kRows;
  const int head_dim = problem.head_dim, used_chunks = head_dim / 8;
  const int64_t kv_col = static_cast<int64_t>(kv_head) * head_dim;

  let_next_start();
  wait_for_previous();

  const int position = problem.positions[sequence];
  const int first = args.window > 0 ? max(0, position - args.window + 1) : 0;
  const Share share(first, position, splits, split, args.least_tiles);
  if (split >= share.active) return;

  Element* const fresh = reinterpret_cast<Element*>(dynamic_shared);  // q heads, new key, new value   [kRows + 2, kD]
  Element* const rings = fresh + (kRows + 2) * kD;
  Element* const ring = rings + warp * kStages * 2 * Shape::kTile;  // [kStages, keys and values, kKeys, kD]
  const Element* const cached_keys = static_cast<const Element*>(problem.keys) + kv_col;
  const Element* const cached_values = static_cast<const Element*>(problem.values) + kv_col;
  const int32_t* const pages = problem.pages + static_cast<int64_t>(sequence) * problem.pages_per_sequence;

  // The row of the cache that holds a position.
  const auto slot_of = [&](int j) {
    return (pages[j >> args.page_shift] << args.page_shift) + (j & ((1 << args.page_shift) - 1));
  };
  // Lane l learns where key l % 16 of a tile is; −1: not in sight, or the new one, which is not in the cache yet.
  const auto find_slot = [&](int tile) {
    const int j = tile * kKeys + lane % kKeys;
    return tile < share.end && j >= first && j < position ? slot_of(j) : -1;
  };
  const auto load_tile = [&](int stage, int tile, int slot) {
    if (tile < share.end) {
      Element* const keys = ring + stage * 2 * Shape::kTile;
#pragma unroll
      for (int i = lane; i < kKeys * kChunks; i += 32) {
        const int key = i / kChunks, chunk = i % kChunks;
        const int row = __shfl_sync(kAllLanes, slot, key);
        const bool valid = row >= 0 && chunk < used_chunks;
        const int64_t from = valid ? int64_t{row} * problem.kv_stride + chunk * 8 : 0;
        const int to = chunk_offset<kD>(key, chunk);
        copy_async_16(keys + to, cached_keys + from, valid);
        copy_async_16(keys + Shape::kTile + to, cached_values + from, valid);
      }
    }
    commit_copies();
  };

  // The new token's rows first, so that they can be waited for alone, then the cache.
  const Element* const qkv = static_cast<const Element*>(problem.qkv) + sequence * problem.qkv_stride;
#pragma unroll
  for (int i = thread; i < (kRows + 2) * kChunks; i += Shape::kThreads) {
    const int row = i / kChunks, chunk = i % kChunks;
    const int head = row == kNewKey     ? problem.heads + kv_head
                     : row == kNewValue ? problem.heads + problem.kv_heads + kv_head
                                        : first_head + row;
    const bool valid = (row >= kRows || row < rows) && chunk < used_chunks;
    const int64_t from = valid ? static_cast<int64_t>(head) * head_dim + chunk * 8 : 0;
    copy_async_16(fresh + chunk_offset<kD>(row, chunk), qkv + from, valid);
  }
  commit_copies();
  int slots[kStages];
#pragma unroll
  for (int stage = 0; stage < kStages; ++stage) slots[stage] = find_slot(share.begin + warp + stage * kWarps);
#pragma unroll
  for (int stage = 0; stage < kStages; ++stage) load_tile(stage, share.begin + warp + stage * kWarps, slots[stage]);

  float cosine[kPairs], sine[kPairs];
#pragma unroll
  for (int i = 0; i < kPairs; ++i) {
    const int col = lane + 32 * i;
    const int64_t at = static_cast<int64_t>(position) * (head_dim / 2) + col;
    cosine[i] = col < head_dim / 2 ? problem.cos[at] : 0.0f;
    sine[i] = col < head_dim / 2 ? problem.sin[at] : 0.0f;
  }

  const bool has_new = share.end == position / kKeys + 1;
  wait_for_copies<kStages>();
  __syncthreads();
  for (int i = warp; i < rows + has_new; i += kWarps) {
    const bool is_query = i < rows;
    norm_and_rotate<kD>(fresh, is_query ? i : kNewKey, head_dim, is_query ? problem.q_norm : problem.k_norm,
                        problem.norm_eps, cosine, sine, lane);
  }
  __syncthreads();
  if (has_new && head_block == 0 && thread < 2 * kChunks && thread % kChunks < used_chunks) {
    const bool is_key = thread < kChunks;
    const int chunk = thread % kChunks;
    Element* const cache = static_cast<Element*>(is_key ? problem.keys : problem.values);
    *reinterpret_cast<uint4*>(cache + slot_of(position) * problem.kv_stride + kv_col + chunk * 8) =
        *reinterpret_cast<const uint4*>(fresh + chunk_offset<kD>(is_key ? kNewKey : kNewValue, chunk));
  }

  float sums[kD / 8][4] = {};                                // of weight · value: rows lane / 4 and lane / 4 + 8
  float highest[2] = {-INFINITY, -INFINITY}, total[2] = {};  // largest score; weights seen by this lane

  for (int tile = share.begin + warp, stage = 0; tile < share.end; tile += kWarps, stage = (stage + 1) % kStages) {
    const int refill = tile + kStages * kWarps;
    const int refill_slot = find_slot(refill);
    wait_for_copies<kStages - 1>();
    __syncwarp();
    Element* const keys = ring + stage * 2 * Shape::kTile;
    Element* const values = keys + Shape::kTile;
    if (tile == position / kKeys) {  // the new token takes its place
      for (int i = lane; i < 2 * kChunks; i += 32) {
        const int chunk = i % kChunks, new_row = i < kChunks ? kNewKey : kNewValue;
        *reinterpret_cast<uint4*>((i < kChunks ? keys : values) + chunk_offset<kD>(position % kKeys, chunk)) =
            *reinterpret_cast<const uint4*>(fresh + chunk_offset<kD>(new_row, chunk));
      }
      __syncwarp();
    }

    float score[2][4] = {};  // keys 0–7 and 8–15 of the tile
#pragma unroll
    for (int i = 0; i < kD / 16; ++i) {
      uint32_t q[4], b[4];
      load_a<kD>(q, fresh, 0, 16 * i, lane);
      load_keys<kD>(b, keys, 0, 16 * i, lane);
      multiply_halves<Element>(score[0], score[1], q, b);
    }
#pragma unroll
    for (int n = 0; n < 2; ++n) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int j = tile * kKeys + n * 8 + lane % 4 * 2 + e % 2;
        if (j < first || j > position) score[n][e] = -INFINITY;
      }
    }
    // Every tile has a key in sight, so `highest` is finite from here on (unless the input is not).
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const float most =
          row_max(fmaxf(fmaxf(score[0][2 * r], score[0][2 * r + 1]), fmaxf(score[1][2 * r], score[1][2 * r + 1])));
      const float before = highest[r];
      highest[r] = fmaxf(before, most);
      const float factor = exp2_approximate((before - highest[r]) * args.exponent);
      total[r] *= factor;
#pragma unroll
      for (int i = 0; i < kD / 8; ++i) {
        sums[i][2 * r] *= factor;
        sums[i][2 * r + 1] *= factor;
      }
#pragma unroll
      for (int n = 0; n < 2; ++n) {
#pragma unroll
        for (int e = 2 * r; e < 2 * r + 2; ++e) {
          score[n][e] = exp2_approximate((score[n][e] - highest[r]) * args.exponent);
          total[r] += score[n][e];
        }
      }
    }
    const uint32_t weights[4] = {
        pack_pair<Element>(score[0][0], score[0][1]), pack_pair<Element>(score[0][2], score[0][3]),
        pack_pair<Element>(score[1][0], score[1][1]), pack_pair<Element>(score[1][2], score[1][3])};
#pragma unroll
    for (int i = 0; i < kD / 16; ++i) {
      uint32_t b[4];
      load_values<kD>(b, values, 0, 16 * i, lane);
      multiply_halves<Element>(sums[2 * i], sums[2 * i + 1], weights, b);
    }
    __syncwarp();
    load_tile(stage, refill, refill_slot);
  }
  wait_for_copies<0>();

  // The warps' results meet in shared memory, in the place of the rings.
  float* const partial = reinterpret_cast<float*>(rings);  // [kWarps, kRows, kPitch]
  __syncthreads();
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int row = lane / 4 + 8 * r;
    const float all = row_sum(total[r]);
    if (row >= rows) continue;
    if (lane % 4 == 0) warp_state[warp][row] = make_float2(highest[r], all);
    float* const to = partial + (warp * kRows + row) * Shape::kPitch + lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < kD / 8; ++i) {
      *reinterpret_cast<float2*>(to + 8 * i) = make_float2(sums[i][2 * r], sums[i][2 * r + 1]);
    }
  }
  __syncthreads();

  Element* const out = static_cast<Element*>(problem.out) + sequence * problem.out_stride;
  const auto store = [&](int row, int col, float4 v) {
    const uint2 packed = make_uint2(pack_pair<Element>(v.x, v.y), pack_pair<Element>(v.z, v.w));
    *reinterpret_cast<uint2*>(out + static_cast<int64_t>(first_head + row) * head_dim + col) = packed;
  };
  // The workspace: sums of each share [.., rows, D], then their largest scores and sums of weights [.., rows].
  const int64_t block = static_cast<int64_t>(sequence) * gridDim.y + blockIdx.y;
  float4* const share_sums = reinterpret_cast<float4*>(problem.workspace) + block * splits * args.rows * (head_dim / 4);
  float2* const share_states =
      reinterpret_cast<float2*>(problem.workspace +
                                static_cast<int64_t>(gridDim.z) * gridDim.y * splits * args.rows * head_dim) +
      block * splits * args.rows;

  const int columns = head_dim / 4;
  for (int i = thread; i < rows * columns; i += Shape::kThreads) {
    const int row = i / columns, col = i % columns * 4;
    float most = -INFINITY, all = 0;
#pragma unroll
    for (int w = 0; w < kWarps; ++w) most = fmaxf(most, warp_state[w][row].x);
    float4 sum = {};
#pragma unroll
    for (int w = 0; w < kWarps; ++w) {
      const float factor = exp2_approximate((warp_state[w][row].x - most) * args.exponent);
      const float4 part = *reinterpret_cast<const float4*>(partial + (w * kRows + row) * Shape::kPitch + col);
      all += factor * warp_state[w][row].y;
      sum.x += factor * part.x;
      sum.y += factor * part.y;
      sum.z += factor * part.z;
      sum.w += factor * part.w;
    }
    if (share.active == 1) {
      store(row, col, make_float4(sum.x / all, sum.y / all, sum.z / all, sum.w / all));
    } else {
      share_sums[(split * args.rows + row) * columns + col / 4] = sum;
      if (col == 0) share_states[split * args.rows + row] = make_float2(most, all);
    }
  }
  if (share.active == 1) return;

  // The last CTA of this key head to arrive adds the shares; the counter wraps to zero with it.
  __threadfence();
  __syncthreads();
  if (thread == 0) arrived = atomicInc(problem.counters + block, static_cast<unsigned>(share.active - 1));
  __syncthreads();
  if (arrived != static_cast<unsigned>(share.active - 1)) return;
  __threadfence();

  float* const factors = reinterpret_cast<float*>(rings);  // of each share   [active, kRows]
  for (int row = warp; row < rows; row += kWarps) {
    float most = -INFINITY, all = 0;
    for (int s = lane; s < share.active; s += 32) most = fmaxf(most, __ldcg(&share_states[s * args.rows + row]).x);
    most = warp_max(most);
    for (int s = lane; s < share.active; s += 32) {
      const float2 state = __ldcg(&share_states[s * args.rows + row]);
      const float factor = exp2_approximate((state.x - most) * args.exponent);
      factors[s * kRows + row] = factor;
      all += factor * state.y;
    }
    all = warp_sum(all);
    __syncwarp();
    for (int s = lane; s < share.active; s += 32) factors[s * kRows + row] /= all;
  }
  __syncthreads();
  for (int i = thread; i < rows * columns; i += Shape::kThreads) {
    const int row = i / columns;
    float4 sum = {};
#pragma unroll 8
    for (int s = 0; s < share.active; ++s) {
      const float factor = factors[s * kRows + row];
      const float4 part = __ldcg(&share_sums[s * args.rows * columns + i]);
      sum.x += factor * part.x;
      sum.y += factor * part.y;
      sum.z += factor * part.z;
      sum.w += factor * part.w;
    }
    store(row, i % columns * 4, sum);
  }
}

template <typename Element, int kD>
void launch(const Context& context, const DecodeArgs& args, bool dependent) {
  const DecodeAttentionProblem& problem = args.problem;
  constexpr size_t kSharedBytes = DecodeShape<kD>::kNewBytes + DecodeShape<kD>::kRingBytes;
  const dim3 grid(static_cast<unsigned>(problem.splits), static_cast<unsigned>(problem.kv_heads * args.head_blocks),
                  static_cast<unsigned>(problem.batch));
  launch_kernel(context, decode_attention<Element, kD>, grid, DecodeShape<kD>::kThreads, kSharedBytes, dependent, args);
}

template <typename Element>
void launch_for(const Context& context, const DecodeArgs& args, bool dependent) {
  const int head_dim = args.problem.head_dim;
  if (head_dim <= 32) return launch<Element, 32>(context, args, dependent);
  if (head_dim <= 64) return launch<Element, 64>(context, args, dependent);
  if (head_dim <= 128) return launch<Element, 128>(context, args, dependent);
  return launch<Element, 256>(context, args, dependent);
}

// CTAs of one split: key heads, times blocks of query heads, times sequences.
int ctas_of_split(int batch, int heads, int kv_heads) {
  return batch * kv_heads * ((heads / kv_heads + kRows - 1) / kRows);
}

constexpr int kCtasPerMultiprocessor = 2;  // enough copies in flight to fill the memory's pipeline

}  // namespace

DecodeAttentionPlan plan_decode_attention(int batch, int heads, int kv_heads, int head_dim, int64_t capacity,
                                          int multiprocessors) {
  const int64_t ctas = ctas_of_split(batch, heads, kv_heads);
  // One wave of CTAs; a few shares more for a long sequence among short ones.
  const int64_t splits =
      std::max(kCtasPerMultiprocessor * multiprocessors / ctas, std::min<int64_t>(capacity / 4096, 4));
  const int64_t most = std::min<int64_t>((capacity + kLeastShare - 1) / kLeastShare, kMaxSplits);
  DecodeAttentionPlan plan;
  plan.splits = static_cast<int>(std::clamp<int64_t>(splits, 1, std::max<int64_t>(most, 1)));
  const int rows = std::min(heads / kv_heads, kRows);
  plan.workspace_floats = static_cast<size_t>(ctas * plan.splits * rows * (head_dim + 2));
  plan.counters = static_cast<int>(ctas);
  return plan;
}

void launch_decode_attention(const Context& context, const DecodeAttentionProblem& problem, bool dependent) {
  if (problem.batch == 0) return;
  CHECK(problem.dtype == DType::kBF16 || problem.dtype == DType::kF16);
  CHECK(problem.head_dim % 8 == 0 && problem.head_dim > 0 && problem.head_dim <= 256);
  CHECK(problem.kv_heads > 0 && problem.heads % problem.kv_heads == 0);
  CHECK(problem.pages != nullptr && std::has_single_bit(static_cast<unsigned>(problem.page_size)));
  CHECK(problem.splits >= 1 && problem.splits <= kMaxSplits && problem.scale > 0);
  DecodeArgs args{};
  args.problem = problem;
  args.group = problem.heads / problem.kv_heads;
  args.head_blocks = (args.group + kRows - 1) / kRows;
  args.rows = std::min(args.group, kRows);
  args.page_shift = std::countr_zero(static_cast<unsigned>(problem.page_size));
  args.window = static_cast<int>(std::min<int64_t>(problem.window, INT32_MAX));
  const int ctas = ctas_of_split(problem.batch, problem.heads, problem.kv_heads);
  const int share = kLongShare * ctas / (kCtasPerMultiprocessor * context.multiprocessors());
  args.least_tiles = std::clamp(share, kLeastShare, kLongShare) / kKeys;
  args.exponent = problem.scale * kLog2E;
  if (problem.dtype == DType::kBF16) {
    launch_for<__nv_bfloat16>(context, args, dependent);
  } else {
    launch_for<__half>(context, args, dependent);
  }
}

}  // namespace gptq::cuda
