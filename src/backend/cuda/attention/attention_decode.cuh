// The decode kernel, phase by phase. attention_decode.cu describes the computation and the division of the work.
#pragma once

#include "backend/cuda/attention/attention.h"
#include "backend/cuda/attention/attention_rotation.cuh"
#include "backend/cuda/attention/attention_tile.cuh"
#include "backend/cuda/runtime/launch.h"

namespace gptq::backend::cuda {

constexpr int kBlockRows = 16;   // of a block of queries: (new token, query head) pairs of one key head
constexpr int kDecodeKeys = 16;  // keys of a tile
constexpr int kMaxSplits = 128;
constexpr int kOneShare = 256;  // keys: shorter sequences are one share

// `kBlocks` blocks of queries read each tile of keys and values together.
template <int kD, int kBlocks>
struct DecodeShape {
  static constexpr int kRows = kBlocks * kBlockRows;  // queries of a CTA
  static constexpr int kWarps = kD > 128 ? 2 : 4;
  static constexpr int kThreads = 32 * kWarps;
  static constexpr int kStages = kD > 64 ? 2 : 4;    // of a warp's ring
  static constexpr int kTile = kDecodeKeys * kD;     // elements of the keys, or values, of a stage
  static constexpr int kCtas = kBlocks > 1 ? 2 : 3;  // resident on a multiprocessor
  static constexpr int kPitch = kD + 8;              // of partial results in shared memory, floats
  static constexpr size_t kNewBytes = size_t{2} * (kRows + 2) * kD;
  static constexpr size_t kRingBytes = size_t{2} * kWarps * kStages * 2 * kTile;
  static_assert(kRingBytes >= sizeof(float) * kWarps * kBlockRows * kPitch);
  static_assert(kRingBytes >= sizeof(float) * kMaxSplits * kRows);
};

template <typename Problem>
struct DecodeArgs {
  Problem problem;
  int group;        // query heads of a key head
  int query_parts;  // of kRows (token, head) pairs of a key head: CTAs that read the same keys
  int rows;         // maximum pairs of a CTA
  int page_shift;
  int window;       // 0 = none
  int min_tiles;    // of a share
  float cap_scale;  // scale / soft_cap, 0 without a cap
  float exponent;   // (soft_cap or scale) · log₂ e
};

// A CTA's share of its sequence, in tiles.
struct Share {
  int begin = 0, end = 0, active = 0;  // active: number of CTAs with a share

  __device__ __forceinline__ Share(int first, int last, int splits, int split, int min_tiles) {
    const int first_tile = first / kDecodeKeys, tiles = last / kDecodeKeys + 1 - first_tile;
    const int wanted = max((tiles + splits - 1) / splits, min_tiles);
    const int size = tiles <= kOneShare / kDecodeKeys ? tiles : (wanted + 3) / 4 * 4;
    active = (tiles + size - 1) / size;
    begin = first_tile + split * size;
    end = min(begin + size, first_tile + tiles);
  }
};

// The work of one CTA: a share of the keys of one key head of one sequence.
template <typename Element, int kD, int kBlocks, typename Problem>
class DecodeCta {
 public:
  using Shape = DecodeShape<kD, kBlocks>;
  static constexpr bool kFused = std::is_same_v<Problem, FusedDecodeAttention>;
  static constexpr int kRows = Shape::kRows, kNewKey = kRows, kNewValue = kRows + 1;
  static constexpr int kWarps = Shape::kWarps, kStages = Shape::kStages, kChunks = kD / 8;
  struct WarpState {
    float2 of[kWarps][kBlockRows];  // largest score and sum of weights
  };

  __device__ __forceinline__ DecodeCta(const DecodeArgs<Problem>& args, Element* shared, WarpState& state)
      : args_(args),
        problem_(args.problem),
        state_(state),
        thread_(static_cast<int>(threadIdx.x)),
        warp_(thread_ / 32),
        lane_(thread_ % 32),
        sequence_(static_cast<int>(blockIdx.z)),
        kv_head_(static_cast<int>(blockIdx.y) / args.query_parts),
        first_query_(static_cast<int>(blockIdx.y) % args.query_parts * kRows),
        head_dim_(args.problem.shape.head_dim),
        used_chunks_(head_dim_ / 8),
        tokens_(count_tokens()),
        rows_(min(args.group * tokens_ - first_query_, kRows)),
        past_(kFused ? position() : past()),
        last_(past_ + tokens_ - 1),
        first_(args.window > 0 ? max(0, past_ - args.window + 1) : 0),
        share_(first_, max(last_, 0), static_cast<int>(gridDim.x), static_cast<int>(blockIdx.x), args.min_tiles),
        fresh_(shared),
        ring_(shared + (kRows + 2) * kD + warp_ * kStages * 2 * Shape::kTile),
        partial_(reinterpret_cast<float*>(shared + (kRows + 2) * kD)),
        pages_(problem_.kv.pages + static_cast<int64_t>(sequence_) * problem_.kv.pages_per_sequence) {
#pragma unroll
    for (int block = 0; block < kBlocks; ++block) highest_[block][0] = highest_[block][1] = -INFINITY;
  }

  __device__ __forceinline__ bool has_work() const {
    return tokens_ > 0 && rows_ > 0 && static_cast<int>(blockIdx.x) < share_.active;
  }
  __device__ __forceinline__ bool is_only_share() const { return share_.active == 1; }

  // Copies the queries, and with a fused problem the new token's key and value, to `fresh`. These are the first copies,
  // so that they can be awaited separately.
  __device__ __forceinline__ void load_queries() {
#pragma unroll
    for (int i = thread_; i < (kRows + (kFused ? 2 : 0)) * kChunks; i += Shape::kThreads) {
      const int row = i / kChunks, chunk = i % kChunks;
      const bool valid = (row >= kRows || row < rows_) && chunk < used_chunks_;
      copy_async_16(fresh_ + chunk_offset<kD>(row, chunk), valid ? fresh_source(row) + chunk * 8 : queries(), valid);
    }
    commit_copies();
  }

  __device__ __forceinline__ void prefetch_tiles() {
    int slots[kStages];
#pragma unroll
    for (int stage = 0; stage < kStages; ++stage) slots[stage] = find_slot(share_.begin + warp_ + stage * kWarps);
#pragma unroll
    for (int stage = 0; stage < kStages; ++stage) {
      load_tile(stage, share_.begin + warp_ + stage * kWarps, slots[stage]);
    }
  }

  // Norm and rotation of the queries and the new key, which is stored in the cache with its value.
  __device__ __forceinline__ void finish_new_token() {
    const Rotation<kD> rotation(problem_, past_, lane_);
    wait_for_copies<kStages>();
    __syncthreads();
    for (int i = warp_; i < rows_ + has_new(); i += kWarps) {
      const bool is_query = i < rows_;
      norm_and_rotate<kD>(fresh_, is_query ? i : kNewKey, head_dim_, is_query ? problem_.q_norm : problem_.k_norm,
                          is_query ? problem_.q_norm_eps : problem_.k_norm_eps, rotation, lane_);
    }
    __syncthreads();
    if (!has_new() || first_query_ > 0 || thread_ >= 2 * kChunks || thread_ % kChunks >= used_chunks_) return;
    const bool is_key = thread_ < kChunks;
    const int chunk = thread_ % kChunks;
    Element* const cache = static_cast<Element*>(is_key ? problem_.kv.keys : problem_.kv.values);
    *reinterpret_cast<uint4*>(cache + slot_of(past_) * problem_.kv.stride + kv_column() + chunk * 8) =
        *reinterpret_cast<const uint4*>(fresh_ + chunk_offset<kD>(is_key ? kNewKey : kNewValue, chunk));
  }

  __device__ __forceinline__ void wait_for_queries() {
    wait_for_copies<kStages>();
    __syncthreads();
  }

  // All tiles of this warp.
  __device__ __forceinline__ void run_tiles() {
    for (int tile = share_.begin + warp_, stage = 0; tile < share_.end; tile += kWarps, stage = (stage + 1) % kStages) {
      const int refill = tile + kStages * kWarps;
      const int refill_slot = find_slot(refill);
      wait_for_copies<kStages - 1>();
      __syncwarp();
      Element* const keys = ring_ + stage * 2 * Shape::kTile;
      if constexpr (kFused) insert_new_token(tile, keys);
      Scores score = {};
      multiply_keys(score, keys);
      mask(score, tile);
      soften(score);
      multiply_values(score, keys + Shape::kTile);
      __syncwarp();
      load_tile(stage, refill, refill_slot);
    }
    wait_for_copies<0>();
  }

  // Merges the warps' results in shared memory (reusing the rings), one block of queries at a time.
  __device__ __forceinline__ void merge_warps() {
#pragma unroll
    for (int block = 0; block < kBlocks; ++block) {
      __syncthreads();
      write_partial(block);
      __syncthreads();
      merge_block(block * kBlockRows);
    }
  }

  // Whether this is the last share to finish; the counter wraps to zero with the last one.
  __device__ __forceinline__ bool arrives_last(unsigned& arrived) {
    __threadfence();
    __syncthreads();
    if (thread_ == 0) arrived = atomicInc(problem_.counters + block(), static_cast<unsigned>(share_.active - 1));
    __syncthreads();
    if (arrived != static_cast<unsigned>(share_.active - 1)) return false;
    __threadfence();
    return true;
  }

  __device__ __forceinline__ void merge_shares() {
    float* const factors = partial_;  // of each share   [active, kRows]
    for (int row = warp_; row < rows_; row += kWarps) {
      float most = -INFINITY, all = 0;
      for (int s = lane_; s < share_.active; s += 32)
        most = fmaxf(most, __ldcg(&share_states()[s * args_.rows + row]).x);
      most = warp_max(most);
      for (int s = lane_; s < share_.active; s += 32) {
        const float2 state = __ldcg(&share_states()[s * args_.rows + row]);
        const float factor = weight(state.x, most);
        factors[s * kRows + row] = factor;
        all += factor * state.y;
      }
      all = warp_sum(all);
      __syncwarp();
      for (int s = lane_; s < share_.active; s += 32) factors[s * kRows + row] /= all;
    }
    __syncthreads();
    const int columns = head_dim_ / 4;
    const float4* const sums = share_sums();
    for (int i = thread_; i < rows_ * columns; i += Shape::kThreads) {
      const int row = i / columns;
      float4 sum = {};
#pragma unroll 8
      for (int s = 0; s < share_.active; ++s) {
        add_scaled(sum, __ldcg(&sums[s * args_.rows * columns + i]), factors[s * kRows + row]);
      }
      store(row, i % columns * 4, sum);
    }
  }

 private:
  __device__ __forceinline__ int count_tokens() const {
    if constexpr (kFused) {
      return 1;
    } else {
      const int rows = problem_.rows.row_starts[sequence_ + 1] - problem_.rows.row_starts[sequence_];
      return rows <= kMaxDecodeRows ? rows : 0;
    }
  }
  __device__ __forceinline__ int position() const {
    if constexpr (kFused) return problem_.positions[sequence_];
    return 0;
  }
  __device__ __forceinline__ int past() const {
    if constexpr (!kFused) return problem_.rows.past[sequence_];
    return 0;
  }

  // The new token and the query head of a row of the CTA.
  __device__ __forceinline__ int token_of(int row) const { return kFused ? 0 : (first_query_ + row) / args_.group; }
  __device__ __forceinline__ int head_of(int row) const {
    const int in_group = kFused ? first_query_ + row : (first_query_ + row) % args_.group;
    return kv_head_ * args_.group + in_group;
  }
  __device__ __forceinline__ int64_t kv_column() const { return static_cast<int64_t>(kv_head_) * head_dim_; }
  __device__ __forceinline__ bool has_new() const { return share_.end == past_ / kDecodeKeys + 1; }

  __device__ __forceinline__ const Element* queries() const {
    if constexpr (kFused) {
      return static_cast<const Element*>(problem_.qkv) + sequence_ * problem_.qkv_stride;
    } else {
      return static_cast<const Element*>(problem_.q) + problem_.rows.row_starts[sequence_] * problem_.q_stride;
    }
  }
  __device__ __forceinline__ const Element* fresh_source(int row) const {
    if constexpr (kFused) {
      const int head = row == kNewKey     ? problem_.shape.heads + kv_head_
                       : row == kNewValue ? problem_.shape.heads + problem_.shape.kv_heads + kv_head_
                                          : head_of(row);
      return queries() + static_cast<int64_t>(head) * head_dim_;
    } else {
      return queries() + token_of(row) * problem_.q_stride + static_cast<int64_t>(head_of(row)) * head_dim_;
    }
  }

  // The row of the cache that holds a position.
  __device__ __forceinline__ int slot_of(int j) const {
    return (pages_[j >> args_.page_shift] << args_.page_shift) + (j & ((1 << args_.page_shift) - 1));
  }
  // For lane l, the row of key l % 16 of a tile; −1: not visible, or the new one, which is not yet in the cache.
  __device__ __forceinline__ int find_slot(int tile) const {
    const int j = tile * kDecodeKeys + lane_ % kDecodeKeys;
    return tile < share_.end && j >= first_ && j < last_ + (kFused ? 0 : 1) ? slot_of(j) : -1;
  }
  __device__ __forceinline__ void load_tile(int stage, int tile, int slot) {
    if (tile < share_.end) {
      Element* const keys = ring_ + stage * 2 * Shape::kTile;
      const Element* const cached_keys = static_cast<const Element*>(problem_.kv.keys) + kv_column();
      const Element* const cached_values = static_cast<const Element*>(problem_.kv.values) + kv_column();
#pragma unroll
      for (int i = lane_; i < kDecodeKeys * kChunks; i += 32) {
        const int key = i / kChunks, chunk = i % kChunks;
        const int row = __shfl_sync(kAllLanes, slot, key);
        const bool valid = row >= 0 && chunk < used_chunks_;
        const int64_t from = valid ? int64_t{row} * problem_.kv.stride + chunk * 8 : 0;
        const int to = chunk_offset<kD>(key, chunk);
        copy_async_16(keys + to, cached_keys + from, valid);
        copy_async_16(keys + Shape::kTile + to, cached_values + from, valid);
      }
    }
    commit_copies();
  }

  // Inserts the new token in its tile.
  __device__ __forceinline__ void insert_new_token(int tile, Element* keys) const {
    if (tile != past_ / kDecodeKeys) return;
    Element* const values = keys + Shape::kTile;
    for (int i = lane_; i < 2 * kChunks; i += 32) {
      const int chunk = i % kChunks, new_row = i < kChunks ? kNewKey : kNewValue;
      *reinterpret_cast<uint4*>((i < kChunks ? keys : values) + chunk_offset<kD>(past_ % kDecodeKeys, chunk)) =
          *reinterpret_cast<const uint4*>(fresh_ + chunk_offset<kD>(new_row, chunk));
    }
    __syncwarp();
  }

  using Scores = float[kBlocks][2][4];  // of each block of queries: keys 0–7 and 8–15 of the tile

  __device__ __forceinline__ void multiply_keys(Scores& score, const Element* keys) const {
#pragma unroll
    for (int i = 0; i < kD / 16; ++i) {
      uint32_t b[4];
      load_keys<kD>(b, keys, 0, 16 * i, lane_);
#pragma unroll
      for (int block = 0; block < kBlocks; ++block) {
        uint32_t q[4];
        load_a<kD>(q, fresh_, block * kBlockRows, 16 * i, lane_);
        multiply_halves<Element>(score[block][0], score[block][1], q, b);
      }
    }
  }

  __device__ __forceinline__ void mask(Scores& score, int tile) const {
#pragma unroll
    for (int block = 0; block < kBlocks; ++block) mask_block(score[block], block * kBlockRows, tile);
  }
  __device__ __forceinline__ void mask_block(float (&score)[2][4], int first_row, int tile) const {
    // In a register: otherwise the compiler duplicates the loop over the tiles, and loading code delays short launches.
    const float cap_scale = __uint_as_float(in_register(__float_as_uint(args_.cap_scale)));
    if (cap_scale > 0) {
#pragma unroll
      for (int n = 0; n < 2; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) score[n][e] = tanh_of(score[n][e] * cap_scale);
      }
    }
#pragma unroll
    for (int n = 0; n < 2; ++n) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int j = tile * kDecodeKeys + n * 8 + lane_ % 4 * 2 + e % 2;
        if constexpr (kFused) {
          if (j < first_ || j > last_) score[n][e] = -INFINITY;
        } else {
          const int at = past_ + token_of(first_row + lane_ / 4 + e / 2 * 8);
          if (j > at || (args_.window > 0 && j <= at - args_.window)) score[n][e] = -INFINITY;
        }
      }
    }
  }

  // exp(scale · (score − highest)). Without a fused problem no key of a row's first tiles, or of all tiles of a warp,
  // may be visible: its weights are then zero.
  __device__ __forceinline__ float weight(float score, float highest) const {
    if (!kFused && highest == -INFINITY) return 0.0f;
    return exp2_approximate((score - highest) * args_.exponent);
  }

  // Online softmax: converts scores to weights relative to the highest score so far, and rescales the sums.
  __device__ __forceinline__ void soften(Scores& score) {
#pragma unroll
    for (int block = 0; block < kBlocks; ++block) {
      soften_block(score[block], sums_[block], highest_[block], total_[block]);
    }
  }
  __device__ __forceinline__ void soften_block(float (&score)[2][4], float (&sums)[kD / 8][4], float (&highest)[2],
                                               float (&total)[2]) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const float most =
          row_max(fmaxf(fmaxf(score[0][2 * r], score[0][2 * r + 1]), fmaxf(score[1][2 * r], score[1][2 * r + 1])));
      const float before = highest[r];
      highest[r] = fmaxf(before, most);
      const float factor = weight(before, highest[r]);
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
          score[n][e] = weight(score[n][e], highest[r]);
          total[r] += score[n][e];
        }
      }
    }
  }

  __device__ __forceinline__ void multiply_values(const Scores& score, const Element* values) {
    uint32_t weights[kBlocks][4];
#pragma unroll
    for (int block = 0; block < kBlocks; ++block) {
#pragma unroll
      for (int w = 0; w < 4; ++w) {
        const float* const pair = &score[block][w / 2][w % 2 * 2];
        weights[block][w] = pack_pair<Element>(pair[0], pair[1]);
      }
    }
#pragma unroll
    for (int i = 0; i < kD / 16; ++i) {
      uint32_t b[4];
      load_values<kD>(b, values, 0, 16 * i, lane_);
#pragma unroll
      for (int block = 0; block < kBlocks; ++block) {
        multiply_halves<Element>(sums_[block][2 * i], sums_[block][2 * i + 1], weights[block], b);
      }
    }
  }

  // Writes this warp's sums and state of a block of queries to shared memory   partial [kWarps, kBlockRows, kPitch]
  __device__ __forceinline__ void write_partial(int block) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int row = lane_ / 4 + 8 * r;
      const float all = row_sum(total_[block][r]);
      if (block * kBlockRows + row >= rows_) continue;
      if (lane_ % 4 == 0) state_.of[warp_][row] = make_float2(highest_[block][r], all);
      float* const to = partial_ + (warp_ * kBlockRows + row) * Shape::kPitch + lane_ % 4 * 2;
#pragma unroll
      for (int i = 0; i < kD / 8; ++i) {
        *reinterpret_cast<float2*>(to + 8 * i) = make_float2(sums_[block][i][2 * r], sums_[block][i][2 * r + 1]);
      }
    }
  }

  // Merges kBlockRows rows of all warps into the output, or into this share's part of it.
  __device__ __forceinline__ void merge_block(int first_row) {
    const int columns = head_dim_ / 4;
    for (int i = thread_; i < min(rows_ - first_row, kBlockRows) * columns; i += Shape::kThreads) {
      const int row = i / columns, col = i % columns * 4;
      float most = -INFINITY, all = 0;
#pragma unroll
      for (int w = 0; w < kWarps; ++w) most = fmaxf(most, state_.of[w][row].x);
      float4 sum = {};
#pragma unroll
      for (int w = 0; w < kWarps; ++w) {
        const float factor = weight(state_.of[w][row].x, most);
        const float4 part = *reinterpret_cast<const float4*>(partial_ + (w * kBlockRows + row) * Shape::kPitch + col);
        all += factor * state_.of[w][row].y;
        add_scaled(sum, part, factor);
      }
      if (is_only_share()) {
        store(first_row + row, col, make_float4(sum.x / all, sum.y / all, sum.z / all, sum.w / all));
      } else {
        const int split = static_cast<int>(blockIdx.x);
        share_sums()[(split * args_.rows + first_row + row) * columns + col / 4] = sum;
        if (col == 0) share_states()[split * args_.rows + first_row + row] = make_float2(most, all);
      }
    }
  }

  static __device__ __forceinline__ void add_scaled(float4& sum, const float4& part, float factor) {
    sum.x += factor * part.x;
    sum.y += factor * part.y;
    sum.z += factor * part.z;
    sum.w += factor * part.w;
  }

  __device__ __forceinline__ void store(int row, int col, float4 v) const {
    int64_t out_row = sequence_;
    if constexpr (!kFused) out_row = problem_.rows.row_starts[sequence_] + token_of(row);
    Element* const to = static_cast<Element*>(problem_.out) + out_row * problem_.out_stride +
                        static_cast<int64_t>(head_of(row)) * head_dim_ + col;
    *reinterpret_cast<uint2*>(to) = make_uint2(pack_pair<Element>(v.x, v.y), pack_pair<Element>(v.z, v.w));
  }

  // The workspace: sums of each share [.., rows, D], then their largest scores and sums of weights [.., rows].
  __device__ __forceinline__ int64_t block() const { return static_cast<int64_t>(sequence_) * gridDim.y + blockIdx.y; }
  __device__ __forceinline__ float4* share_sums() const {
    return reinterpret_cast<float4*>(problem_.workspace) + block() * gridDim.x * args_.rows * (head_dim_ / 4);
  }
  __device__ __forceinline__ float2* share_states() const {
    float* const behind =
        problem_.workspace + static_cast<int64_t>(gridDim.z) * gridDim.y * gridDim.x * args_.rows * head_dim_;
    return reinterpret_cast<float2*>(behind) + block() * gridDim.x * args_.rows;
  }

  const DecodeArgs<Problem>& args_;
  const Problem& problem_;
  WarpState& state_;
  const int thread_, warp_, lane_, sequence_, kv_head_;
  const int first_query_;  // (token, head) pair of the CTA's first row
  const int head_dim_, used_chunks_;
  const int tokens_;               // new ones of the sequence
  const int rows_;                 // of the CTA
  const int past_, last_, first_;  // positions of the first and last new token and of the first visible key
  const Share share_;
  Element* const fresh_;  // q heads, new key, new value   [kRows + 2, kD]
  Element* const ring_;   // of this warp   [kStages, keys and values, kDecodeKeys, kD]
  float* const partial_;
  const int32_t* const pages_;
  float sums_[kBlocks][kD / 8][4] = {};  // of weight · value: rows lane / 4 and lane / 4 + 8 of each block
  float highest_[kBlocks][2], total_[kBlocks][2] = {};  // largest score; weights seen by this lane
};

}  // namespace gptq::backend::cuda
