// How close is attention to the GPU's limits? Prefill in TFLOP/s, decoding in GB/s beside a device copy of
// the same run.
#include <algorithm>
#include <cstdio>
#include <functional>
#include <numeric>
#include <random>
#include <vector>

#include "backend/cuda/attention/attention.h"

namespace {

using namespace gptq;
using namespace gptq::backend;
using namespace gptq::backend::cuda;

constexpr int kHeads = 32, kKvHeads = 8, kHeadDim = 128;
constexpr int64_t kWidth = kHeads * kHeadDim, kKvWidth = kKvHeads * kHeadDim;
constexpr int kPageSize = 64;
const HeadShape kShape = {kHeads, kKvHeads, kHeadDim, 0.088f, 0, 0};
constexpr int64_t kL2Bytes = int64_t{256} << 20;  // more than any L2 cache: what a launch reads must come from memory

// Median time of one of `launches` calls in a row, in seconds.
double median_seconds(Context& context, int launches, const std::function<void(int)>& launch) {
  cudaEvent_t start, stop;
  GPTQ_CUDA(cudaEventCreate(&start));
  GPTQ_CUDA(cudaEventCreate(&stop));
  std::vector<double> seconds;
  int call = 0;
  for (int run = 0; run < 12; ++run) {
    GPTQ_CUDA(cudaEventRecord(start, context.stream()));
    for (int i = 0; i < launches; ++i) launch(call++);
    GPTQ_CUDA(cudaEventRecord(stop, context.stream()));
    GPTQ_CUDA(cudaEventSynchronize(stop));
    float milliseconds = 0;
    GPTQ_CUDA(cudaEventElapsedTime(&milliseconds, start, stop));
    if (run >= 2) seconds.push_back(milliseconds * 1e-3 / launches);
  }
  GPTQ_CUDA(cudaEventDestroy(start));
  GPTQ_CUDA(cudaEventDestroy(stop));
  std::nth_element(seconds.begin(), seconds.begin() + seconds.size() / 2, seconds.end());
  return seconds[seconds.size() / 2];
}

Buffer random_bf16(Context& context, int64_t elements) {
  std::vector<uint16_t> host(static_cast<size_t>(elements));
  std::mt19937 random(1);
  for (uint16_t& x : host) x = static_cast<uint16_t>(0x3f00 + random() % 0x80 + random() % 2 * 0x8000);  // ±0.5 … 1
  Buffer buffer(context, host.size() * 2);
  GPTQ_CUDA(cudaMemcpyAsync(buffer.as(), host.data(), buffer.bytes(), cudaMemcpyDefault, context.stream()));
  context.synchronize();
  return buffer;
}

template <typename Value>
Buffer filled(Context& context, const std::vector<Value>& host) {
  Buffer buffer(context, host.size() * sizeof(Value));
  GPTQ_CUDA(cudaMemcpyAsync(buffer.as(), host.data(), buffer.bytes(), cudaMemcpyDefault, context.stream()));
  context.synchronize();
  return buffer;
}

double copy_bandwidth(Context& context) {
  const Buffer from(context, size_t{1} << 30), to(context, size_t{1} << 30);
  GPTQ_CUDA(cudaMemsetAsync(from.as(), 1, from.bytes(), context.stream()));
  return 2.0 * static_cast<double>(from.bytes()) / median_seconds(context, 4, [&](int) {
           GPTQ_CUDA(cudaMemcpyAsync(to.as(), from.as(), from.bytes(), cudaMemcpyDeviceToDevice, context.stream()));
         });
}

void bench_prefill(Context& context, int queries) {
  const Buffer q = random_bf16(context, queries * kWidth), keys = random_bf16(context, queries * kKvWidth),
               values = random_bf16(context, queries * kKvWidth);
  const Buffer out(context, static_cast<size_t>(queries * kWidth) * 2);
  PrefillProblem problem;
  problem.out = out.as();
  problem.q = q.as();
  problem.out_stride = problem.q_stride = kWidth;
  problem.kv.keys = keys.as();
  problem.kv.values = values.as();
  problem.kv.stride = kKvWidth;
  const Buffer starts = filled(context, std::vector<int32_t>{0, queries}),
               past = filled(context, std::vector<int32_t>{0});
  problem.rows = {starts.as<int32_t>(), past.as<int32_t>(), 1};
  problem.max_rows = problem.max_keys = queries;
  problem.shape = kShape;
  const double seconds = median_seconds(context, 8, [&](int) { launch_prefill_attention(context, problem); });
  const double flops = 4.0 * queries * queries / 2 * kWidth;  // what is below the diagonal
  std::printf("prefill  T %6d                 %10.1f us %8.1f TFLOP/s\n", queries, seconds * 1e6,
              flops / seconds * 1e-12);
}

// The caches of as many layers as it takes to find none of them in the L2 cache, with pages in random order.
struct Caches {
  Caches(Context& context, int sequences, int length)
      : pages_per_sequence(length / kPageSize + 1),
        rows(int64_t{sequences} * pages_per_sequence * kPageSize),
        layers(static_cast<int>(std::clamp<int64_t>(kL2Bytes / (4 * rows * kKvWidth), 1, 64)) + 1),
        keys(random_bf16(context, layers * rows * kKvWidth)),
        values(random_bf16(context, layers * rows * kKvWidth)) {
    std::vector<int32_t> table(static_cast<size_t>(sequences * pages_per_sequence));
    std::iota(table.begin(), table.end(), 0);
    std::shuffle(table.begin(), table.end(), std::mt19937(1));
    pages = filled(context, table);
  }
  KvView of(int layer) const {
    return {keys.as<uint16_t>() + layer * rows * kKvWidth,
            values.as<uint16_t>() + layer * rows * kKvWidth,
            kKvWidth,
            pages.as<int32_t>(),
            pages_per_sequence,
            kPageSize};
  }

  int pages_per_sequence;
  int64_t rows;
  int layers;
  Buffer keys, values, pages;
};

// Seconds of one launch for each layer, in a captured graph.
double seconds_in_graph(Context& context, int layers, const std::function<void(int layer)>& launch) {
  cudaGraph_t graph;
  cudaGraphExec_t executable;
  GPTQ_CUDA(cudaStreamBeginCapture(context.stream(), cudaStreamCaptureModeThreadLocal));
  for (int layer = 0; layer < layers; ++layer) launch(layer);
  GPTQ_CUDA(cudaStreamEndCapture(context.stream(), &graph));
  GPTQ_CUDA(cudaGraphInstantiate(&executable, graph, 0));
  const double seconds =
      median_seconds(context, 1, [&](int) { GPTQ_CUDA(cudaGraphLaunch(executable, context.stream())); }) / layers;
  GPTQ_CUDA(cudaGraphExecDestroy(executable));
  GPTQ_CUDA(cudaGraphDestroy(graph));
  return seconds;
}

void print_decode(const char* what, int batch, int tokens, int length, double seconds, double limit) {
  const double bytes = 4.0 * batch * length * kKvWidth;
  std::printf("%-8s B %3d  tokens %d  context %6d %10.1f us %8.1f GB/s %8.0f%% of the copy\n", what, batch, tokens,
              length, seconds * 1e6, bytes / seconds * 1e-9, 100 * bytes / seconds / limit);
}

// The memory in which the shares of long sequences meet.
struct Workspace {
  Workspace(Context& context, const DecodeAttentionPlan& plan)
      : floats(context, plan.workspace_floats * sizeof(float)),
        counters(filled(context, std::vector<unsigned>(static_cast<size_t>(plan.counters), 0))),
        splits(plan.splits),
        query_rows(plan.query_rows) {}
  void use(DecodeAttentionProblem& problem) const {
    problem.workspace = floats.as<float>();
    problem.counters = counters.as<unsigned>();
    problem.splits = splits;
    problem.query_rows = query_rows;
  }

  Buffer floats, counters;
  int splits, query_rows;
};

// One new token, with norm, rotation and storing.
void bench_decode(Context& context, int batch, int length, double limit) {
  const Caches caches(context, batch, length);
  const Buffer qkv = random_bf16(context, batch * (kWidth + 2 * kKvWidth));
  const Buffer out(context, static_cast<size_t>(batch * kWidth) * 2);
  const Buffer positions = filled(context, std::vector<int32_t>(static_cast<size_t>(batch), length - 1));
  const Buffer angles = filled(context, std::vector<float>(static_cast<size_t>(length * kHeadDim / 2), 0.7f));
  const Workspace workspace(context, plan_decode_attention(context, batch, kShape, 1, length));
  FusedDecodeAttention problem;
  problem.out = out.as();
  problem.out_stride = kWidth;
  problem.qkv = qkv.as();
  problem.qkv_stride = kWidth + 2 * kKvWidth;
  problem.positions = positions.as<int32_t>();
  problem.cos = problem.sin = angles.as<float>();
  problem.rotary_dim = kHeadDim;
  problem.batch = batch;
  problem.shape = kShape;
  workspace.use(problem);
  const double seconds = seconds_in_graph(context, caches.layers, [&](int layer) {
    problem.kv = caches.of(layer);
    launch_decode_attention(context, problem, true);
  });
  print_decode("decode", batch, 1, length, seconds, limit);
}

// A few new tokens of each sequence, as the verification of drafts has them.
void bench_verify(Context& context, int batch, int tokens, int length, double limit) {
  const Caches caches(context, batch, length);
  const Buffer q = random_bf16(context, batch * tokens * kWidth);
  const Buffer out(context, static_cast<size_t>(batch * tokens * kWidth) * 2);
  std::vector<int32_t> starts;
  for (int s = 0; s <= batch; ++s) starts.push_back(s * tokens);
  const Buffer row_starts = filled(context, starts);
  const Buffer past = filled(context, std::vector<int32_t>(static_cast<size_t>(batch), length - tokens));
  const Workspace workspace(context, plan_decode_attention(context, batch, kShape, tokens, length));
  RaggedDecodeAttention problem;
  problem.out = out.as();
  problem.out_stride = problem.q_stride = kWidth;
  problem.q = q.as();
  problem.rows = {row_starts.as<int32_t>(), past.as<int32_t>(), batch};
  problem.max_rows = tokens;
  problem.batch = batch;
  problem.shape = kShape;
  workspace.use(problem);
  const double seconds = seconds_in_graph(context, caches.layers, [&](int layer) {
    problem.kv = caches.of(layer);
    launch_decode_attention(context, problem);
  });
  print_decode("verify", batch, tokens, length, seconds, limit);
}

}  // namespace

int main() {
  Context context(0, 0);
  const double limit = copy_bandwidth(context);
  std::printf("%s, H %d Hkv %d D %d bf16; a device copy moves %.0f GB/s\n\n", context.name().c_str(), kHeads, kKvHeads,
              kHeadDim, limit * 1e-9);
  for (const int queries : {512, 2048, 8192}) bench_prefill(context, queries);
  for (const int length : {128, 1024, 2048, 8192, 32768}) bench_decode(context, 1, length, limit);
  bench_decode(context, 32, 1024, limit);
  for (const int tokens : {1, 2, 4, 8}) bench_verify(context, 1, tokens, 8192, limit);
  for (const int tokens : {1, 4, 8}) bench_verify(context, 32, tokens, 1024, limit);
}
