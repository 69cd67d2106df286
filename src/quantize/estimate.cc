// Memory and time of a run, from shapes.
#include "quantize/estimate.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "backend/cpu/cpu_backend.h"

namespace gptq {

namespace {

constexpr int64_t kProgramBytes = 32 << 20;  // code, libraries, tokenizer

// Floating-point operations per second of a matrix product like those of a layer.
double measure_rate(int threads) {
  constexpr int64_t kSize = 512;
  const std::unique_ptr<Backend> backend = make_cpu_backend(threads);
  std::vector<float> values(kSize * kSize, 0.5f);
  const TensorView view{DType::kF32, {kSize, kSize}, reinterpret_cast<const std::byte*>(values.data())};
  const std::unique_ptr<Weight> weight = backend->prepare(view, nullptr);
  const Matrix x = backend->allocate(DType::kF32, 4 * kSize, kSize);
  const Matrix y = backend->allocate(DType::kF32, 4 * kSize, kSize);
  backend->clear(x.view());
  const Weight* weights[] = {weight.get()};
  backend->linear(y.view(), x.view(), weights);
  const auto start = std::chrono::steady_clock::now();
  int runs = 0;
  double seconds = 0;
  for (; seconds < 0.1; ++runs) {
    backend->linear(y.view(), x.view(), weights);
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  return runs * 2.0 * 4 * kSize * kSize * kSize / seconds;
}

}  // namespace

Estimate estimate(const Architecture& a, const ModelPlan& plan, int64_t samples, int64_t seqlen, bool gptaq,
                  int64_t bytes_in, int threads) {
  const double tokens = static_cast<double>(samples * seqlen);
  const double streams = gptaq ? 1.5 : 1.0;  // the original model is followed for half of the windows
  int64_t widest = 0, group_weights = 0;
  double flops = 0;
  for (const LayerPlan& layer : plan.layers) {
    for (const GroupPlan& group : layer) {
      int64_t rows = 0;
      const int64_t k = group.group.linears[0].in_features;
      for (const LinearSpec& linear : group.group.linears) rows += linear.out_features;
      widest = std::max(widest, k);
      group_weights = std::max(group_weights, rows * k);
      flops += streams * 2.0 * tokens * static_cast<double>(rows * k);
      if (group.grid) flops += tokens * static_cast<double>(k * k) * (gptaq ? 2.2 : 1.2);
    }
    flops += streams * 2.0 * tokens * static_cast<double>(seqlen * a.heads * a.head_dim) * 2.0;  // attention
  }
  Estimate e;
  // Streams; H, both matrices of GPTAQ, the factor and its inverse; a group's weights in fp32, in their own and in
  // processing order, and their codes; a batch's scratch; the source's pages; the program itself.
  const double batch = static_cast<double>(std::max<int64_t>(4096, seqlen));
  e.peak_bytes = static_cast<int64_t>(streams * tokens * static_cast<double>(a.hidden_size + widest) * 4 +
                                      5.0 * static_cast<double>(widest * widest) * 4 +
                                      2.5 * static_cast<double>(group_weights) * 4 +
                                      batch * static_cast<double>(2 * a.intermediate_size + a.hidden_size) * 4 +
                                      static_cast<double>(bytes_in)) +
                 kProgramBytes;
  e.seconds = flops / measure_rate(threads) * 1.25;
  return e;
}

int64_t peak_resident_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

}  // namespace gptq
