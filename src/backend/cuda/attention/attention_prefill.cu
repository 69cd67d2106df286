// Prefill attention: many queries of each sequence over the keys so far, without writing scores to memory.
//
//   out[i, h] = Σ_j softmax_j(scale · q[i, h] · k_j) · v_j     over positions j ≤ position of i             // [M, H·D]
//
// The method is FlashAttention-2's: Dao, "FlashAttention-2: Faster Attention with Better Parallelism and Work
// Partitioning", 2023. Softmax in fp32 with a running maximum; products in the tensor cores.
// Layout: queries [M, H·D], keys and values rows of [Hkv·D] in pages or not; in shared memory tiles of kD ≥ D columns,
//   kD a power of two.
// Work: grid (H · S, tiles of queries of the longest sequence), tiles with the most keys first, for load balance; CTAs
//   without queries exit immediately. A CTA has 128 queries (64 for D > 128) of one head; each of its 4 warps has its
//   own rows and needs no results of other warps. The next 64 keys (32 for D > 64) and their values are copied during
//   the use of the current ones. Keys that are not visible to any query of a tile are not read; warps skip tiles that
//   are not visible to any of their rows.
// Bytes: q and out once; keys and values once for each tile of queries and query head, mostly from L2. The limit is the
//   tensor cores: 4·D flops for each query, visible key and head.
// Not here: splitting the keys of one head over several CTAs; a few queries over many keys leave the GPU idle.
#include <algorithm>
#include <bit>

#include "backend/cuda/attention/attention_prefill.cuh"
#include "core/check.h"

namespace gptq::backend::cuda {

namespace {

template <typename Element, int kD>
__global__ void __launch_bounds__(PrefillShape<kD>::kThreads, PrefillShape<kD>::kCtas)
    prefill_attention(const __grid_constant__ PrefillArgs args) {
  extern __shared__ uint4 dynamic_shared[];
  PrefillCta<Element, kD> cta(args, reinterpret_cast<Element*>(dynamic_shared));
  if (!cta.has_work()) return;
  cta.load_queries();
  cta.run_tiles();
  if (cta.warp_has_rows()) cta.store();
}

template <typename Element, int kD>
void launch(const Context& context, const PrefillArgs& args) {
  using Shape = PrefillShape<kD>;
  const PrefillProblem& problem = args.problem;
  GPTQ_CUDA(cudaFuncSetAttribute(prefill_attention<Element, kD>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 static_cast<int>(Shape::kSharedBytes)));
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(problem.shape.heads * problem.rows.sequences),
                        static_cast<unsigned>((problem.max_rows + Shape::kRows - 1) / Shape::kRows));
  config.blockDim = dim3(Shape::kThreads);
  config.dynamicSmemBytes = Shape::kSharedBytes;
  config.stream = context.stream();
  GPTQ_CUDA(cudaLaunchKernelEx(&config, prefill_attention<Element, kD>, args));
}

template <typename Element>
void launch_for(const Context& context, const PrefillArgs& args) {
  const int head_dim = args.problem.shape.head_dim;
  if (head_dim <= 32) return launch<Element, 32>(context, args);
  if (head_dim <= 64) return launch<Element, 64>(context, args);
  if (head_dim <= 128) return launch<Element, 128>(context, args);
  return launch<Element, 256>(context, args);
}

}  // namespace

void launch_prefill_attention(const Context& context, const PrefillProblem& problem) {
  if (problem.max_rows <= problem.skipped_rows || problem.rows.sequences == 0) return;
  const HeadShape& shape = problem.shape;
  CHECK(problem.dtype == DType::kBF16 || problem.dtype == DType::kF16);
  CHECK(shape.head_dim % 8 == 0 && shape.head_dim > 0 && shape.head_dim <= 256);
  CHECK(shape.kv_heads > 0 && shape.heads % shape.kv_heads == 0 && shape.scale > 0);
  CHECK(problem.max_keys < INT32_MAX);
  PrefillArgs args{};
  args.problem = problem;
  if (problem.kv.pages != nullptr) {
    CHECK(std::has_single_bit(static_cast<unsigned>(problem.kv.page_size)));
    args.page_shift = std::countr_zero(static_cast<unsigned>(problem.kv.page_size));
  }
  // A window that includes all keys is no window.
  args.window = shape.window >= problem.max_keys ? 0 : static_cast<int>(shape.window);
  args.cap_scale = shape.soft_cap > 0 ? shape.scale / shape.soft_cap : 0.0f;
  args.exponent = (shape.soft_cap > 0 ? shape.soft_cap : shape.scale) * kLog2E;
  if (problem.dtype == DType::kBF16) {
    launch_for<__nv_bfloat16>(context, args);
  } else {
    launch_for<__half>(context, args);
  }
}

}  // namespace gptq::backend::cuda
