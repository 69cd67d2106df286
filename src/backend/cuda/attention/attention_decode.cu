// Decoding attention: a few new tokens of each sequence over all its keys.
//
//   out[i, h] = Σ_j softmax_j(scale · q[i, h] · k_j) · v_j     over cache positions j ≤ position of i   // [.., H·D]
//
// With a fused problem also norm, rotation and storing of the one new token's q, k, v.
// Layout: the cache is [slots, Hkv·D]; 16 keys at a time come to shared memory, [16, kD] with kD ≥ D a power of two.
// Work: grid (splits, Hkv · blocks of 16 queries, B). All query heads of a key head, for each new token, are the 16 rows of the
//   tensor core products, so each key is read once for 16 of them. A CTA takes one contiguous share of the keys; its warps
//   take tiles of 16 in turn, each with its own ring of asynchronous copies and its own online softmax, and meet only
//   at the end. How many shares a sequence has depends on its length, on the device; CTAs beyond that leave at once.
//   The last CTA to finish adds the shares in their order, so the same input gives the same bits.
// Bytes: 4·Hkv·D for each key in sight; next to it q, k, v, out and splits · (D + 2) floats a head, which stay in L2.
// Not here: more than kMaxDecodeRows new tokens of a sequence (attention_prefill.cu).
#include <algorithm>
#include <bit>

#include "backend/cuda/attention/attention_decode.cuh"
#include "core/check.h"

namespace gptq::backend::cuda {

namespace {

// A share below this many keys costs more to add than to read in sequence; a long one is worth it only where there
// are too few CTAs otherwise.
constexpr int kMinShare = 128, kLongShare = 1024;
constexpr int kCtasPerMultiprocessor = 2;  // enough copies in flight to fill the memory's pipeline

template <typename Element, int kD, typename Problem>
__global__ void __launch_bounds__(DecodeShape<kD>::kThreads, DecodeShape<kD>::kCtas)
    decode_attention(const __grid_constant__ DecodeArgs<Problem> args) {
  using Cta = DecodeCta<Element, kD, Problem>;
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

template <typename Element, int kD, typename Problem>
void launch(const Context& context, const DecodeArgs<Problem>& args, bool dependent) {
  const Problem& problem = args.problem;
  constexpr size_t kSharedBytes = DecodeShape<kD>::kNewBytes + DecodeShape<kD>::kRingBytes;
  const dim3 grid(static_cast<unsigned>(problem.splits),
                  static_cast<unsigned>(problem.shape.kv_heads * args.query_blocks),
                  static_cast<unsigned>(problem.batch));
  launch_kernel(context, decode_attention<Element, kD, Problem>, grid, DecodeShape<kD>::kThreads, kSharedBytes,
                dependent, args);
}

template <typename Element, typename Problem>
void launch_for(const Context& context, const DecodeArgs<Problem>& args, bool dependent) {
  const int head_dim = args.problem.shape.head_dim;
  if (head_dim <= 32) return launch<Element, 32>(context, args, dependent);
  if (head_dim <= 64) return launch<Element, 64>(context, args, dependent);
  if (head_dim <= 128) return launch<Element, 128>(context, args, dependent);
  return launch<Element, 256>(context, args, dependent);
}

int query_blocks(const HeadShape& shape, int max_rows) {
  return (shape.heads / shape.kv_heads * max_rows + kDecodeRows - 1) / kDecodeRows;
}

// CTAs of one split: key heads, times blocks of queries, times sequences.
int ctas_of_split(int batch, const HeadShape& shape, int max_rows) {
  return batch * shape.kv_heads * query_blocks(shape, max_rows);
}

template <typename Problem>
void launch_problem(const Context& context, const Problem& problem, int max_rows, bool dependent) {
  if (problem.batch == 0) return;
  const HeadShape& shape = problem.shape;
  CHECK(problem.dtype == DType::kBF16 || problem.dtype == DType::kF16);
  CHECK(shape.head_dim % 8 == 0 && shape.head_dim > 0 && shape.head_dim <= 256);
  CHECK(shape.kv_heads > 0 && shape.heads % shape.kv_heads == 0);
  CHECK(problem.kv.pages != nullptr && std::has_single_bit(static_cast<unsigned>(problem.kv.page_size)));
  CHECK(problem.splits >= 1 && problem.splits <= kMaxSplits && shape.scale > 0 && max_rows <= kMaxDecodeRows);
  DecodeArgs<Problem> args{};
  args.problem = problem;
  args.group = shape.heads / shape.kv_heads;
  args.query_blocks = query_blocks(shape, max_rows);
  args.rows = std::min(args.group * max_rows, kDecodeRows);
  args.page_shift = std::countr_zero(static_cast<unsigned>(problem.kv.page_size));
  args.window = static_cast<int>(std::min<int64_t>(shape.window, INT32_MAX));
  const int ctas = ctas_of_split(problem.batch, shape, max_rows);
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

DecodeAttentionPlan plan_decode_attention(int batch, const HeadShape& shape, int max_rows, int64_t capacity,
                                          int multiprocessors) {
  const int64_t ctas = ctas_of_split(batch, shape, max_rows);
  // One wave of CTAs; a few shares more for a long sequence among short ones.
  const int64_t splits =
      std::max(kCtasPerMultiprocessor * multiprocessors / ctas, std::min<int64_t>(capacity / 4096, 4));
  const int64_t most = std::min<int64_t>((capacity + kMinShare - 1) / kMinShare, kMaxSplits);
  DecodeAttentionPlan plan;
  plan.splits = static_cast<int>(std::clamp<int64_t>(splits, 1, std::max<int64_t>(most, 1)));
  const int rows = std::min(shape.heads / shape.kv_heads * max_rows, kDecodeRows);
  plan.workspace_floats = static_cast<size_t>(ctas * plan.splits * rows * (shape.head_dim + 2));
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
