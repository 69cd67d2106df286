// Prefill attention: many queries of each sequence over the keys so far, without writing scores to memory.
//
//   out[i, h] = Σ_j softmax_j(scale · q[i, h] · k_j) · v_j     over positions j ≤ past + i                // [S·T, H·D]
//
// The method is FlashAttention-2's: Dao, "FlashAttention-2: Faster Attention with Better Parallelism and Work
// Partitioning", 2023. Softmax in fp32 with a running maximum; products in the tensor cores.
// Layout: queries [S·T, H·D], keys and values rows of [Hkv·D] in pages or not; in shared memory tiles of kD ≥ D
// columns,
//   kD a power of two.
// Work: grid (H · S, tiles of queries), the tiles with the most keys first, so that none of them starts last. A CTA has
//   128 queries (64 for D > 128) of one head; each of its 4 warps has its own rows and never needs another's results.
//   The next 64 keys (32 for D > 64) and their values are copied while the present ones are used. Keys that no query
//   of a tile sees are not read; warps leave out tiles that none of their rows sees.
// Bytes: q and out once; keys and values once for each tile of queries and query head, mostly from L2. The tensor cores
//   are the limit: 4·D flops for each query, visible key and head.
// Not here: splitting the keys of one head over several CTAs; a few queries over many keys leave the GPU idle.
#include <algorithm>
#include <bit>

#include "backend/cuda/attention/attention.h"
#include "backend/cuda/attention/attention_tile.cuh"
#include "core/check.h"

namespace gptq::cuda {

namespace {

template <int kD>
struct PrefillShape {
  static constexpr int kWarps = 4;
  static constexpr int kThreads = 32 * kWarps;
  static constexpr int kParts = kD > 128 ? 1 : 2;  // of 16 rows, of a warp: two share what they load of keys and values
  static constexpr int kWarpRows = 16 * kParts;
  static constexpr int kRows = kWarps * kWarpRows;  // queries of a CTA
  static constexpr int kKeys = kD > 64 ? 32 : 64;   // of a tile: what the registers hold
  static constexpr int kTile = kKeys * kD;
  static constexpr int kCtas = 2;  // that should fit on a multiprocessor
  static constexpr size_t kSharedBytes = size_t{2} * (kRows * kD + 2 * 2 * kTile);
};

struct PrefillArgs {
  PrefillProblem problem;
  int page_shift;
  float exponent;  // scale · log₂ e
};

template <typename Element, int kD>
__global__ void __launch_bounds__(PrefillShape<kD>::kThreads, PrefillShape<kD>::kCtas)
    prefill_attention(const __grid_constant__ PrefillArgs args) {
  using Shape = PrefillShape<kD>;
  constexpr int kParts = Shape::kParts, kKeys = Shape::kKeys, kChunks = kD / 8;
  constexpr int kRowsAtOnce = Shape::kThreads / kChunks;  // that one pass of all threads copies
  extern __shared__ uint4 dynamic_shared[];

  const PrefillProblem& problem = args.problem;
  const int thread = static_cast<int>(threadIdx.x), warp = thread / 32, lane = thread % 32;
  const int head = static_cast<int>(blockIdx.x) % problem.heads;
  const int sequence = static_cast<int>(blockIdx.x) / problem.heads;
  const int first_query = static_cast<int>(gridDim.y - 1 - blockIdx.y) * Shape::kRows;
  const int head_dim = problem.head_dim, used_chunks = head_dim / 8;
  const int past = static_cast<int>(problem.past), window = static_cast<int>(problem.window);
  const int64_t q_col = static_cast<int64_t>(head) * head_dim;
  const int64_t kv_col = static_cast<int64_t>(head / (problem.heads / problem.kv_heads)) * head_dim;

  Element* const queries = reinterpret_cast<Element*>(dynamic_shared);  // [kRows, kD]; of the results at the end
  Element* const tiles = queries + Shape::kRows * kD;                   // [2, keys and values, kKeys, kD]

  // Each thread copies the same chunk of every kRowsAtOnce-th row.
  const int chunk = thread % kChunks, first_row = thread / kChunks;
  const bool used = chunk < used_chunks;

  const Element* const all_keys = static_cast<const Element*>(problem.kv.keys) + kv_col + (used ? chunk * 8 : 0);
  const Element* const all_values = static_cast<const Element*>(problem.kv.values) + kv_col + (used ? chunk * 8 : 0);
  const int32_t* const pages = problem.kv.pages + static_cast<int64_t>(sequence) * problem.kv.pages_per_sequence;
  const int end = past + min(first_query + Shape::kRows, problem.queries);    // of the keys in sight
  const int sequence_begin = static_cast<int>(sequence * problem.kv.length);  // without pages
  const auto load_tile = [&](int stage, int tile) {
    Element* const keys = tiles + stage * 2 * Shape::kTile;
#pragma unroll
    for (int i = 0; i < kKeys; i += kRowsAtOnce) {
      const int j = tile * kKeys + first_row + i;
      const bool valid = used && j < end;
      int row = sequence_begin + j;
      if (problem.kv.pages != nullptr && valid) {
        row = (pages[j >> args.page_shift] << args.page_shift) + (j & ((1 << args.page_shift) - 1));
      }
      const int64_t from = valid ? int64_t{row} * problem.kv.stride : 0;
      const int to = chunk_offset<kD>(first_row + i, chunk);
      copy_async_16(keys + to, all_keys + from, valid);
      copy_async_16(keys + Shape::kTile + to, all_values + from, valid);
    }
    commit_copies();
  };

  const Element* const all_queries = static_cast<const Element*>(problem.q) + q_col + (used ? chunk * 8 : 0);
#pragma unroll
  for (int i = 0; i < Shape::kRows; i += kRowsAtOnce) {
    const int query = first_query + first_row + i;
    const bool valid = used && query < problem.queries;
    const int64_t row = valid ? static_cast<int64_t>(sequence) * problem.queries + query : 0;
    copy_async_16(queries + chunk_offset<kD>(first_row + i, chunk), all_queries + row * problem.q_stride, valid);
  }
  const int first_tile = window > 0 ? max(0, past + first_query - window + 1) / kKeys : 0;
  const int end_tile = (end + kKeys - 1) / kKeys;
  load_tile(0, first_tile);

  const int warp_row = warp * Shape::kWarpRows;
  const bool has_rows = first_query + warp_row < problem.queries;
  const int lowest = past + first_query + warp_row,
            top = lowest + Shape::kWarpRows - 1;  // positions of the warp's rows

  float sums[kParts][kD / 8][4] = {};               // of weight · value: rows lane / 4 and lane / 4 + 8 of each part
  float highest[kParts][2], total[kParts][2] = {};  // largest score; weights seen by this lane
#pragma unroll
  for (int part = 0; part < kParts; ++part) highest[part][0] = highest[part][1] = -INFINITY;

  for (int tile = first_tile; tile < end_tile; ++tile) {
    const int stage = (tile - first_tile) % 2, first_key = tile * kKeys;
    wait_for_copies<0>();
    __syncthreads();  // the tile is there, and all warps are done with the one before
    if (tile + 1 < end_tile) load_tile(1 - stage, tile + 1);
    if (!has_rows || first_key > top || (window > 0 && first_key + kKeys <= lowest - window + 1)) continue;
    const Element* const keys = tiles + stage * 2 * Shape::kTile;
    const Element* const values = keys + Shape::kTile;

    float score[kParts][kKeys / 8][4] = {};
#pragma unroll
    for (int i = 0; i < kD / 16; ++i) {
      uint32_t q[kParts][4];
#pragma unroll
      for (int part = 0; part < kParts; ++part) load_a<kD>(q[part], queries, warp_row + 16 * part, 16 * i, lane);
#pragma unroll
      for (int n = 0; n < kKeys / 16; ++n) {
        uint32_t b[4];
        load_keys<kD>(b, keys, 16 * n, 16 * i, lane);
#pragma unroll
        for (int part = 0; part < kParts; ++part) {
          multiply_halves<Element>(score[part][2 * n], score[part][2 * n + 1], q[part], b);
        }
      }
    }

    if (first_key + kKeys - 1 > lowest || (window > 0 && first_key <= top - window)) {
#pragma unroll
      for (int part = 0; part < kParts; ++part) {
#pragma unroll
        for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
          for (int e = 0; e < 4; ++e) {
            const int i = lowest + 16 * part + lane / 4 + e / 2 * 8, j = first_key + 8 * n + lane % 4 * 2 + e % 2;
            if (j > i || (window > 0 && j <= i - window)) score[part][n][e] = -INFINITY;
          }
        }
      }
    }

#pragma unroll
    for (int part = 0; part < kParts; ++part) {
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        float most = -INFINITY;
#pragma unroll
        for (int n = 0; n < kKeys / 8; ++n) most = fmaxf(most, fmaxf(score[part][n][2 * r], score[part][n][2 * r + 1]));
        const float before = highest[part][r];
        highest[part][r] = fmaxf(before, row_max(most));
        // A row may see nothing of its first tiles: all weights are zero then.
        const float base = highest[part][r] == -INFINITY ? 0.0f : highest[part][r];
        const float factor = exp2_approximate((before - base) * args.exponent);
        total[part][r] *= factor;
        if (__any_sync(kAllLanes, factor != 1.0f)) {  // rare after the first tiles
#pragma unroll
          for (int i = 0; i < kD / 8; ++i) {
            sums[part][i][2 * r] *= factor;
            sums[part][i][2 * r + 1] *= factor;
          }
        }
        // The difference first: the largest score's weight is exactly 1, however large it is.
#pragma unroll
        for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
          for (int e = 2 * r; e < 2 * r + 2; ++e) {
            score[part][n][e] = exp2_approximate((score[part][n][e] - base) * args.exponent);
            total[part][r] += score[part][n][e];
          }
        }
      }
    }

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
        load_values<kD>(b, values, 16 * n, 16 * i, lane);
#pragma unroll
        for (int part = 0; part < kParts; ++part) {
          multiply_halves<Element>(sums[part][2 * i], sums[part][2 * i + 1], weights[part], b);
        }
      }
    }
  }
  if (!has_rows) return;

  // Results pass through the warp's own rows of `queries`, to leave in whole chunks.
  __syncwarp();
#pragma unroll
  for (int part = 0; part < kParts; ++part) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const float inverse = 1.0f / row_sum(total[part][r]);
      const int row = warp_row + 16 * part + 8 * r + lane / 4;
#pragma unroll
      for (int i = 0; i < kD / 8; ++i) {
        *reinterpret_cast<uint32_t*>(queries + chunk_offset<kD>(row, i) + lane % 4 * 2) =
            pack_pair<Element>(sums[part][i][2 * r] * inverse, sums[part][i][2 * r + 1] * inverse);
      }
    }
  }
  __syncwarp();
#pragma unroll
  for (int i = lane; i < Shape::kWarpRows * kChunks; i += 32) {
    const int row = warp_row + i / kChunks, col = i % kChunks, query = first_query + row;
    if (query >= problem.queries || col >= used_chunks) continue;
    Element* const to = static_cast<Element*>(problem.out) +
                        (static_cast<int64_t>(sequence) * problem.queries + query) * problem.out_stride + q_col;
    *reinterpret_cast<uint4*>(to + col * 8) = *reinterpret_cast<const uint4*>(queries + chunk_offset<kD>(row, col));
  }
}

template <typename Element, int kD>
void launch(const Context& context, const PrefillArgs& args) {
  using Shape = PrefillShape<kD>;
  const PrefillProblem& problem = args.problem;
  GPTQ_CUDA(cudaFuncSetAttribute(prefill_attention<Element, kD>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 static_cast<int>(Shape::kSharedBytes)));
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(problem.heads * problem.sequences),
                        static_cast<unsigned>((problem.queries + Shape::kRows - 1) / Shape::kRows));
  config.blockDim = dim3(Shape::kThreads);
  config.dynamicSmemBytes = Shape::kSharedBytes;
  config.stream = context.stream();
  GPTQ_CUDA(cudaLaunchKernelEx(&config, prefill_attention<Element, kD>, args));
}

template <typename Element>
void launch_for(const Context& context, const PrefillArgs& args) {
  const int head_dim = args.problem.head_dim;
  if (head_dim <= 32) return launch<Element, 32>(context, args);
  if (head_dim <= 64) return launch<Element, 64>(context, args);
  if (head_dim <= 128) return launch<Element, 128>(context, args);
  return launch<Element, 256>(context, args);
}

}  // namespace

void launch_prefill_attention(const Context& context, const PrefillProblem& problem) {
  if (problem.queries == 0 || problem.sequences == 0) return;
  CHECK(problem.dtype == DType::kBF16 || problem.dtype == DType::kF16);
  CHECK(problem.head_dim % 8 == 0 && problem.head_dim > 0 && problem.head_dim <= 256);
  CHECK(problem.kv_heads > 0 && problem.heads % problem.kv_heads == 0 && problem.scale > 0);
  CHECK(problem.past + problem.queries < INT32_MAX);
  PrefillArgs args{problem, 0, problem.scale * kLog2E};
  if (problem.kv.pages != nullptr) {
    CHECK(std::has_single_bit(static_cast<unsigned>(problem.kv.page_size)));
    args.page_shift = std::countr_zero(static_cast<unsigned>(problem.kv.page_size));
  }
  if (problem.window >= problem.past + problem.queries) args.problem.window = 0;  // reaches beyond the first key
  if (problem.dtype == DType::kBF16) {
    launch_for<__nv_bfloat16>(context, args);
  } else {
    launch_for<__half>(context, args);
  }
}

}  // namespace gptq::cuda
