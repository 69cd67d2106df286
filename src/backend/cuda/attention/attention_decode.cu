// Decoding attention: a few new tokens of each sequence over all its keys.
//
//   out[i, h] = Σ_j softmax_j(scale · q[i, h] · k_j) · v_j     over cache positions j ≤ position of i   // [.., H·D]
//
// With a fused problem also norm and rotation of the new token's q and k, and storing of its k and v.
// Layout: the cache is [slots, Hkv·D]; tiles of 16 keys are copied to shared memory, [16, kD], kD ≥ D a power of two.
// Work: grid (splits, Hkv · parts of 16 or 32 queries, B). All query heads of a key head, for each new token, are rows
//   of the tensor core products, so each key is read once for 16 of them, or for 32 if D ≤ 128 (limit of the registers)
//   and reading a key twice would miss the L2 cache. A CTA processes one contiguous share of the keys; its warps
//   process tiles of 16 in turn, each with its own ring of asynchronous copies and its own online softmax, and their
//   results are merged only at the end. The number of shares depends on the sequence's length and is computed on the
//   device; CTAs without a share exit immediately. The last CTA to finish adds the shares in order, so results are
//   deterministic.
// Bytes: 4·Hkv·D for each visible key; also q, k, v, out and splits · (D + 2) floats per head, which stay in L2.
// Not here: more than kMaxDecodeRows new tokens of a sequence (attention_prefill.cu).
#include <algorithm>
#include <bit>

#include "backend/cuda/attention/attention_decode.cuh"
#include "core/check.h"

namespace gptq::backend::cuda {

namespace {

// Adding a share of fewer keys costs more than reading them sequentially; shares below kLongShare are useful only if
// there are too few CTAs otherwise.
constexpr int kMinShare = 128, kLongShare = 1024;
constexpr int kMaxPairedDim = 128;         // maximum head_dim for two blocks of queries in registers
constexpr int kCtasPerMultiprocessor = 2;  // enough copies in flight for full memory bandwidth

template <typename Element, int kD, int kBlocks, typename Problem>
__global__ void __launch_bounds__(DecodeShape<kD, kBlocks>::kThreads, DecodeShape<kD, kBlocks>::kCtas)
    decode_attention(const __grid_constant__ DecodeArgs<Problem> args) {
  using Cta = DecodeCta<Element, kD, kBlocks, Problem>;
  extern __shared__ uint4 dynamic_shared[];
  __shared__ typename Cta::WarpState state;
  __shared__ unsigned arrived;
  let_next_start();
  wait_for_previous();
  Cta cta(args, reinterpret_cast<Element*>(dynamic_shared), state);
  if (!cta.has_work()) return;
  cta.load_queries();
  cta.prefetch_tiles();
  if constexpr (Cta::kFused) {
    cta.finish_new_token();
  } else {
    cta.wait_for_queries();
  }
  cta.run_tiles();
  cta.merge_warps();
  if (cta.is_only_share() || !cta.arrives_last(arrived)) return;
  cta.merge_shares();
}

template <typename Element, int kD, int kBlocks, typename Problem>
void launch_blocks(const Context& context, const DecodeArgs<Problem>& args, bool dependent) {
  using Shape = DecodeShape<kD, kBlocks>;
  const Problem& problem = args.problem;
  const dim3 grid(static_cast<unsigned>(problem.splits),
                  static_cast<unsigned>(problem.shape.kv_heads * args.query_parts),
                  static_cast<unsigned>(problem.batch));
  launch_kernel(context, decode_attention<Element, kD, kBlocks, Problem>, grid, Shape::kThreads,
                Shape::kNewBytes + Shape::kRingBytes, dependent, args);
}

template <typename Element, int kD, typename Problem>
void launch(const Context& context, const DecodeArgs<Problem>& args, bool dependent) {
  if constexpr (kD <= kMaxPairedDim && !std::is_same_v<Problem, FusedDecodeAttention>) {
    if (args.rows > kBlockRows) return launch_blocks<Element, kD, 2>(context, args, dependent);
  }
  launch_blocks<Element, kD, 1>(context, args, dependent);
}

template <typename Element, typename Problem>
void launch_for(const Context& context, const DecodeArgs<Problem>& args, bool dependent) {
  const int head_dim = args.problem.shape.head_dim;
  if (head_dim <= 32) return launch<Element, 32>(context, args, dependent);
  if (head_dim <= 64) return launch<Element, 64>(context, args, dependent);
  if (head_dim <= 128) return launch<Element, 128>(context, args, dependent);
  return launch<Element, 256>(context, args, dependent);
}

// The division of the (token, head) pairs of a key head into CTAs.
struct QueryCut {
  int rows = 0;   // maximum pairs of a CTA
  int parts = 0;  // CTAs
};
QueryCut cut_queries(const HeadShape& shape, int max_rows, int query_rows) {
  const int pairs = shape.heads / shape.kv_heads * max_rows;
  return {std::min(pairs, query_rows), (pairs + query_rows - 1) / query_rows};
}

// Two blocks of queries in a CTA read each key once instead of twice, but halve the number of CTAs for the arithmetic.
// Measured on an H200 with 1 to 32 sequences of 256 to 4096 tokens: faster if the second read misses the L2 cache.
int choose_query_rows(const Context& context, int batch, const HeadShape& shape, int max_rows, int64_t capacity) {
  const int64_t bytes = int64_t{batch} * capacity * shape.kv_heads * shape.head_dim * 4;
  const bool pairs = max_rows > 1 && shape.head_dim <= kMaxPairedDim && bytes > context.l2_bytes();
  return pairs ? 2 * kBlockRows : kBlockRows;
}

template <typename Problem>
void launch_problem(const Context& context, const Problem& problem, int max_rows, bool dependent) {
  if (problem.batch == 0) return;
  const HeadShape& shape = problem.shape;
  CHECK(problem.dtype == DType::kBF16 || problem.dtype == DType::kF16);
  CHECK(shape.head_dim % 8 == 0 && shape.head_dim > 0 && shape.head_dim <= 256);
  CHECK(shape.kv_heads > 0 && shape.heads % shape.kv_heads == 0);
  CHECK(problem.kv.pages != nullptr && std::has_single_bit(static_cast<unsigned>(problem.kv.page_size)));
  CHECK(problem.query_rows == kBlockRows ||
        (problem.query_rows == 2 * kBlockRows && max_rows > 1 && shape.head_dim <= kMaxPairedDim));
  CHECK(problem.splits >= 1 && problem.splits <= kMaxSplits && shape.scale > 0 && max_rows <= kMaxDecodeRows);
  DecodeArgs<Problem> args{};
  args.problem = problem;
  args.group = shape.heads / shape.kv_heads;
  const QueryCut queries = cut_queries(shape, max_rows, problem.query_rows);
  args.query_parts = queries.parts;
  args.rows = queries.rows;
  args.page_shift = std::countr_zero(static_cast<unsigned>(problem.kv.page_size));
  args.window = static_cast<int>(std::min<int64_t>(shape.window, INT32_MAX));
  const int ctas = problem.batch * shape.kv_heads * queries.parts;
  const int share = kLongShare * ctas / (kCtasPerMultiprocessor * context.multiprocessors());
  args.min_tiles = std::clamp(share, kMinShare, kLongShare) / kDecodeKeys;
  args.cap_scale = shape.soft_cap > 0 ? shape.scale / shape.soft_cap : 0.0f;
  args.exponent = (shape.soft_cap > 0 ? shape.soft_cap : shape.scale) * kLog2E;
  if (problem.dtype == DType::kBF16) {
    launch_for<__nv_bfloat16>(context, args, dependent);
  } else {
    launch_for<__half>(context, args, dependent);
  }
}

}  // namespace

DecodeAttentionPlan plan_decode_attention(const Context& context, int batch, const HeadShape& shape, int max_rows,
                                          int64_t capacity) {
  DecodeAttentionPlan plan;
  plan.query_rows = choose_query_rows(context, batch, shape, max_rows, capacity);
  const QueryCut queries = cut_queries(shape, max_rows, plan.query_rows);
  const int64_t ctas = int64_t{batch} * shape.kv_heads * queries.parts;
  // One wave of CTAs; a few more shares for a long sequence among short ones.
  const int64_t splits =
      std::max(kCtasPerMultiprocessor * context.multiprocessors() / ctas, std::min<int64_t>(capacity / 4096, 4));
  const int64_t most = std::min<int64_t>((capacity + kMinShare - 1) / kMinShare, kMaxSplits);
  plan.splits = static_cast<int>(std::clamp<int64_t>(splits, 1, std::max<int64_t>(most, 1)));
  plan.workspace_floats = static_cast<size_t>(ctas * plan.splits * queries.rows * (shape.head_dim + 2));
  plan.counters = static_cast<int>(ctas);
  return plan;
}

void launch_decode_attention(const Context& context, const FusedDecodeAttention& problem, bool dependent) {
  CHECK(problem.rotary_dim >= 0 && problem.rotary_dim <= problem.shape.head_dim);
  launch_problem(context, problem, 1, dependent);
}

void launch_decode_attention(const Context& context, const RaggedDecodeAttention& problem) {
  launch_problem(context, problem, problem.max_rows, false);
}

}  // namespace gptq::backend::cuda
