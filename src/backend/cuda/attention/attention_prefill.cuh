// The prefill kernel, phase by phase. attention_prefill.cu describes the computation and the division of the work.
#pragma once

#include "backend/cuda/attention/attention.h"
#include "backend/cuda/attention/attention_tile.cuh"

namespace gptq::backend::cuda {

template <int kD>
struct PrefillShape {
  static constexpr int kWarps = 4;
  static constexpr int kThreads = 32 * kWarps;
  static constexpr int kParts = kD > 128 ? 1 : 2;  // parts of 16 rows of a warp; two parts share loaded keys and values
  static constexpr int kWarpRows = 16 * kParts;
  static constexpr int kRows = kWarps * kWarpRows;  // queries of a CTA
  static constexpr int kKeys = kD > 64 ? 32 : 64;   // of a tile: limit of the registers
  static constexpr int kTile = kKeys * kD;
  static constexpr int kCtas = 2;  // resident on a multiprocessor
  static constexpr size_t kSharedBytes = size_t{2} * (kRows * kD + 2 * 2 * kTile);
};

struct PrefillArgs {
  PrefillProblem problem;
  int page_shift;
  int window;       // 0 = none
  float cap_scale;  // scale / soft_cap, 0 without a cap
  float exponent;   // (soft_cap or scale) · log₂ e
};

// The work of one CTA: kRows queries of one head of one sequence.
template <typename Element, int kD>
class PrefillCta {
 public:
  using Shape = PrefillShape<kD>;
  static constexpr int kParts = Shape::kParts, kKeys = Shape::kKeys, kChunks = kD / 8;
  static constexpr int kRowsAtOnce = Shape::kThreads / kChunks;  // rows copied by one pass of all threads

  __device__ __forceinline__ PrefillCta(const PrefillArgs& args, Element* shared)
      : args_(args),
        problem_(args.problem),
        thread_(static_cast<int>(threadIdx.x)),
        warp_row_(thread_ / 32 * Shape::kWarpRows),
        lane_(thread_ % 32),
        head_(static_cast<int>(blockIdx.x) % problem_.shape.heads),
        sequence_(static_cast<int>(blockIdx.x) / problem_.shape.heads),
        begin_(problem_.rows.row_starts[sequence_]),
        queries_(problem_.rows.row_starts[sequence_ + 1] - begin_),
        past_(problem_.rows.past[sequence_]),
        first_query_(static_cast<int>(gridDim.y - 1 - blockIdx.y) * Shape::kRows),
        end_(past_ + min(first_query_ + Shape::kRows, queries_)),
        lowest_(past_ + first_query_ + warp_row_),
        top_(lowest_ + Shape::kWarpRows - 1),
        shared_queries_(shared),
        tiles_(shared + Shape::kRows * kD),
        pages_(problem_.kv.pages + static_cast<int64_t>(sequence_) * problem_.kv.pages_per_sequence) {
#pragma unroll
    for (int part = 0; part < kParts; ++part) highest_[part][0] = highest_[part][1] = -INFINITY;
  }

  __device__ __forceinline__ bool has_work() const {
    return first_query_ < queries_ && queries_ > problem_.skipped_rows;
  }
  __device__ __forceinline__ bool warp_has_rows() const { return first_query_ + warp_row_ < queries_; }

  __device__ __forceinline__ void load_queries() {
    const Element* const from =
        static_cast<const Element*>(problem_.q) + static_cast<int64_t>(head_) * head_dim() + (used() ? chunk() * 8 : 0);
#pragma unroll
    for (int i = 0; i < Shape::kRows; i += kRowsAtOnce) {
      const int query = first_query_ + first_row() + i;
      const bool valid = used() && query < queries_;
      const int64_t row = valid ? static_cast<int64_t>(begin_) + query : 0;
      copy_async_16(shared_queries_ + chunk_offset<kD>(first_row() + i, chunk()), from + row * problem_.q_stride,
                    valid);
    }
  }

  __device__ __forceinline__ void run_tiles() {
    const int first_tile = args_.window > 0 ? max(0, past_ + first_query_ - args_.window + 1) / kKeys : 0;
    const int end_tile = (end_ + kKeys - 1) / kKeys;
    load_tile(0, first_tile);
    for (int tile = first_tile; tile < end_tile; ++tile) {
      const int stage = (tile - first_tile) % 2, first_key = tile * kKeys;
      wait_for_copies<0>();
      __syncthreads();  // the tile is complete, and all warps have finished the previous one
      if (tile + 1 < end_tile) load_tile(1 - stage, tile + 1);
      const bool unseen = first_key > top_ || (args_.window > 0 && first_key + kKeys <= lowest_ - args_.window + 1);
      if (!warp_has_rows() || unseen) continue;
      const Element* const keys = tiles_ + stage * 2 * Shape::kTile;
      float score[kParts][kKeys / 8][4] = {};
      multiply_keys(score, keys);
      mask(score, first_key);
      soften(score);
      multiply_values(score, keys + Shape::kTile);
    }
  }

  // Results are written to the warp's rows of the queries' memory, then stored in whole chunks.
  __device__ __forceinline__ void store() {
    __syncwarp();
#pragma unroll
    for (int part = 0; part < kParts; ++part) {
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        const float inverse = 1.0f / row_sum(total_[part][r]);
        const int row = warp_row_ + 16 * part + 8 * r + lane_ / 4;
#pragma unroll
        for (int i = 0; i < kD / 8; ++i) {
          *reinterpret_cast<uint32_t*>(shared_queries_ + chunk_offset<kD>(row, i) + lane_ % 4 * 2) =
              pack_pair<Element>(sums_[part][i][2 * r] * inverse, sums_[part][i][2 * r + 1] * inverse);
        }
      }
    }
    __syncwarp();
#pragma unroll
    for (int i = lane_; i < Shape::kWarpRows * kChunks; i += 32) {
      const int row = warp_row_ + i / kChunks, col = i % kChunks, query = first_query_ + row;
      if (query >= queries_ || col >= head_dim() / 8) continue;
      Element* const to = static_cast<Element*>(problem_.out) +
                          (static_cast<int64_t>(begin_) + query) * problem_.out_stride +
                          static_cast<int64_t>(head_) * head_dim();
      *reinterpret_cast<uint4*>(to + col * 8) =
          *reinterpret_cast<const uint4*>(shared_queries_ + chunk_offset<kD>(row, col));
    }
  }

 private:
  __device__ __forceinline__ int head_dim() const { return problem_.shape.head_dim; }
  // Each thread copies the same chunk of every kRowsAtOnce-th row.
  __device__ __forceinline__ int chunk() const { return thread_ % kChunks; }
  __device__ __forceinline__ int first_row() const { return thread_ / kChunks; }
  __device__ __forceinline__ bool used() const { return chunk() < head_dim() / 8; }

  __device__ __forceinline__ void load_tile(int stage, int tile) {
    const int64_t column = static_cast<int64_t>(head_ / (problem_.shape.heads / problem_.shape.kv_heads)) * head_dim() +
                           (used() ? chunk() * 8 : 0);
    const Element* const all_keys = static_cast<const Element*>(problem_.kv.keys) + column;
    const Element* const all_values = static_cast<const Element*>(problem_.kv.values) + column;
    Element* const keys = tiles_ + stage * 2 * Shape::kTile;
#pragma unroll
    for (int i = 0; i < kKeys; i += kRowsAtOnce) {
      const int j = tile * kKeys + first_row() + i;
      const bool valid = used() && j < end_;
      int row = begin_ + j;
      if (problem_.kv.pages != nullptr && valid) {
        row = (pages_[j >> args_.page_shift] << args_.page_shift) + (j & ((1 << args_.page_shift) - 1));
      }
      const int64_t from = valid ? int64_t{row} * problem_.kv.stride : 0;
      const int to = chunk_offset<kD>(first_row() + i, chunk());
      copy_async_16(keys + to, all_keys + from, valid);
      copy_async_16(keys + Shape::kTile + to, all_values + from, valid);
    }
    commit_copies();
  }

  using Scores = float[kParts][kKeys / 8][4];

  __device__ __forceinline__ void multiply_keys(Scores& score, const Element* keys) const {
#pragma unroll
    for (int i = 0; i < kD / 16; ++i) {
      uint32_t q[kParts][4];
#pragma unroll
      for (int part = 0; part < kParts; ++part) {
        load_a<kD>(q[part], shared_queries_, warp_row_ + 16 * part, 16 * i, lane_);
      }
#pragma unroll
      for (int n = 0; n < kKeys / 16; ++n) {
        uint32_t b[4];
        load_keys<kD>(b, keys, 16 * n, 16 * i, lane_);
#pragma unroll
        for (int part = 0; part < kParts; ++part) {
          multiply_halves<Element>(score[part][2 * n], score[part][2 * n + 1], q[part], b);
        }
      }
    }
  }

  __device__ __forceinline__ void mask(Scores& score, int first_key) const {
    const bool capped = args_.cap_scale > 0;
    const bool cut = first_key + kKeys - 1 > lowest_ || (args_.window > 0 && first_key <= top_ - args_.window);
    if (!capped && !cut) return;
#pragma unroll
    for (int part = 0; part < kParts; ++part) {
#pragma unroll
      for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          float& s = score[part][n][e];
          if (capped) s = tanh_of(s * args_.cap_scale);
          const int i = lowest_ + 16 * part + lane_ / 4 + e / 2 * 8, j = first_key + 8 * n + lane_ % 4 * 2 + e % 2;
          if (j > i || (args_.window > 0 && j <= i - args_.window)) s = -INFINITY;
        }
      }
    }
  }

  // Online softmax: converts scores to weights relative to the highest score so far, and rescales the sums.
  __device__ __forceinline__ void soften(Scores& score) {
#pragma unroll
    for (int part = 0; part < kParts; ++part) {
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        float most = -INFINITY;
#pragma unroll
        for (int n = 0; n < kKeys / 8; ++n) most = fmaxf(most, fmaxf(score[part][n][2 * r], score[part][n][2 * r + 1]));
        const float before = highest_[part][r];
        highest_[part][r] = fmaxf(before, row_max(most));
        // No key of a row's first tiles may be visible: all weights are then zero.
        const float base = highest_[part][r] == -INFINITY ? 0.0f : highest_[part][r];
        const float factor = exp2_approximate((before - base) * args_.exponent);
        total_[part][r] *= factor;
        if (__any_sync(kAllLanes, factor != 1.0f)) {  // rare after the first tiles
#pragma unroll
          for (int i = 0; i < kD / 8; ++i) {
            sums_[part][i][2 * r] *= factor;
            sums_[part][i][2 * r + 1] *= factor;
          }
        }
        // Subtraction before scaling: the weight of the largest score is exactly 1 for any magnitude.
#pragma unroll
        for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
          for (int e = 2 * r; e < 2 * r + 2; ++e) {
            score[part][n][e] = exp2_approximate((score[part][n][e] - base) * args_.exponent);
            total_[part][r] += score[part][n][e];
          }
        }
      }
    }
  }

  __device__ __forceinline__ void multiply_values(const Scores& score, const Element* values) {
#pragma unroll
    for (int n = 0; n < kKeys / 16; ++n) {
      uint32_t weights[kParts][4];
#pragma unroll
      for (int part = 0; part < kParts; ++part) {
#pragma unroll
        for (int w = 0; w < 4; ++w) {
          const float* const pair = &score[part][2 * n + w / 2][w % 2 * 2];
          weights[part][w] = pack_pair<Element>(pair[0], pair[1]);
        }
      }
#pragma unroll
      for (int i = 0; i < kD / 16; ++i) {
        uint32_t b[4];
        load_values<kD>(b, values, 16 * n, 16 * i, lane_);
#pragma unroll
        for (int part = 0; part < kParts; ++part) {
          multiply_halves<Element>(sums_[part][2 * i], sums_[part][2 * i + 1], weights[part], b);
        }
      }
    }
  }

  const PrefillArgs& args_;
  const PrefillProblem& problem_;
  const int thread_, warp_row_, lane_, head_, sequence_;
  const int begin_, queries_, past_;  // of the sequence: first row, rows, earlier positions
  const int first_query_, end_;       // of the CTA: first row within the sequence, end of the visible keys
  const int lowest_, top_;            // positions of the warp's rows
  Element* const shared_queries_;     // [kRows, kD]; holds the results at the end
  Element* const tiles_;              // [2, keys and values, kKeys, kD]
  const int32_t* const pages_;
  float sums_[kParts][kD / 8][4] = {};                // of weight · value: rows lane / 4 and lane / 4 + 8 of each part
  float highest_[kParts][2], total_[kParts][2] = {};  // largest score; weights seen by this lane
};

}  // namespace gptq::backend::cuda
