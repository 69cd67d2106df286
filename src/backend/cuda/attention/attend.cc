// Conversion of a batch of the backend interface to the problems of both kernels.
#include "backend/cuda/attention/attend.h"

#include <algorithm>

#include "backend/cuda/attention/attention.h"
#include "backend/cuda/runtime/launch.h"

namespace gptq::backend::cuda {

namespace {

struct Work {
  int few_rows = 0;      // maximum rows of a sequence for the decode kernel; 0: no such sequence
  int64_t max_rows = 0;  // of any sequence
};

// Without a cache all sequences go to the prefill kernel.
Work work_of(const BatchRows& rows) {
  Work work;
  for (int64_t s = 0; s < rows.sequences(); ++s) {
    const int64_t count = rows.rows_of(s);
    work.max_rows = std::max(work.max_rows, count);
    if (rows.has_cache() && count <= kMaxDecodeRows) work.few_rows = std::max(work.few_rows, static_cast<int>(count));
  }
  return work;
}

}  // namespace

void attention(Context& context, MatrixView out, const AttentionArgs& args, const BatchRows& rows) {
  CHECK(args.keys.stride == args.values.stride && out.rows == rows.rows());
  const Work work = work_of(rows);
  AttentionProblem common;
  common.dtype = out.dtype;
  common.out = out.data;
  common.out_stride = out.stride;
  common.shape = {args.heads, args.kv_heads, args.head_dim, args.scale, args.soft_cap, args.window};
  common.kv.keys = args.keys.data;
  common.kv.values = args.values.data;
  common.kv.stride = args.keys.stride;
  if (rows.has_cache()) {
    common.kv.pages = pointer<int32_t>(rows.pages.pages);
    common.kv.pages_per_sequence = static_cast<int>(rows.pages.pages.stride);
    common.kv.page_size = static_cast<int>(rows.pages.page_size);
  }
  const RowsView view{pointer<int32_t>(rows.device_row_starts), pointer<int32_t>(rows.device_past),
                      static_cast<int>(rows.sequences())};
  if (work.few_rows > 0) {
    RaggedDecodeAttention p;
    static_cast<AttentionProblem&>(p) = common;
    p.q = args.q.data;
    p.q_stride = args.q.stride;
    p.batch = view.sequences;
    p.rows = view;
    p.max_rows = work.few_rows;
    const DecodeAttentionPlan plan = plan_decode_attention(context, p.batch, p.shape, p.max_rows, rows.longest());
    const Buffer workspace(context, plan.workspace_floats * sizeof(float));
    const Buffer counters(context, static_cast<size_t>(plan.counters) * sizeof(unsigned));
    GPTQ_CUDA(cudaMemsetAsync(counters.as(), 0, counters.bytes(), context.stream()));
    p.workspace = workspace.as<float>();
    p.counters = counters.as<unsigned>();
    p.splits = plan.splits;
    p.query_rows = plan.query_rows;
    launch_decode_attention(context, p);
  }
  PrefillProblem p;
  static_cast<AttentionProblem&>(p) = common;
  p.q = args.q.data;
  p.q_stride = args.q.stride;
  p.rows = view;
  p.skipped_rows = rows.has_cache() ? kMaxDecodeRows : 0;
  p.max_rows = work.max_rows;
  p.max_keys = rows.longest();
  launch_prefill_attention(context, p);
}

}  // namespace gptq::backend::cuda
