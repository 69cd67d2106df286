// Memory and time of a run, from shapes.
#include "quantize/estimate.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <vector>

#include "model/decoder.h"

namespace gptq {

namespace {

constexpr int64_t kProgramBytes = 32 << 20;  // code, libraries, tokenizer

// Of the GPU, measured on one H100 with a 7B model: the share of the matrix products' rate that the whole of the
// arithmetic reaches, and what reading, solving and packing a weight takes besides.
constexpr double kGpuShare = 0.43, kGpuSecondsPerWeight = 0.7e-9;
constexpr double kBusRate = 40e9;  // bytes a second between host and GPU, one way
constexpr double kCpuFactor = 1.25;

// Floating-point operations per second of a matrix product like those of a layer.
double measure_rate(Backend& backend) {
  const bool cpu = backend.device().kind == Device::Kind::kCpu;
  const int64_t size = cpu ? 512 : 4096, rows = cpu ? 2048 : 4096;
  std::mt19937 random(1);  // zeros and constants draw less power than data
  std::vector<float> values(static_cast<size_t>(rows * size));
  for (float& value : values) value = static_cast<float>(random()) * 0x1p-32f - 0.5f;
  const TensorView view{DType::kF32, {size, size}, reinterpret_cast<const std::byte*>(values.data())};
  const std::unique_ptr<Weight> weight = backend.load_weight(view, nullptr);
  const Matrix x = backend.allocate(backend.activation_dtype(), rows, size);
  const Matrix y = backend.allocate(backend.activation_dtype(), rows, size);
  backend.upload(x.view(), values);
  const Weight* weights[] = {weight.get()};
  backend.linear(y.view(), x.view(), weights);
  backend.synchronize();
  const auto start = std::chrono::steady_clock::now();
  int runs = 0;
  double seconds = 0;
  for (; seconds < 0.1; ++runs) {
    backend.linear(y.view(), x.view(), weights);
    backend.synchronize();
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  const double n = static_cast<double>(size);
  return runs * 2.0 * static_cast<double>(rows) * n * n / seconds;
}

struct Work {
  double flops = 0;     // of forward passes and Hessians
  double weights = 0;   // to quantize
  int64_t widest = 0;   // inputs of a group
  int64_t largest = 0;  // weights of a group
};

Work count_work(const MemoryProblem& p, bool twice) {
  const Architecture& a = p.architecture;
  const double tokens = static_cast<double>(p.tokens());
  const double streams = p.gptaq ? 1.5 : 1.0;  // the original model is paired for half of the windows
  const double attention = streams * 4.0 * tokens * static_cast<double>(p.longest() * a.heads * a.head_dim);
  Work work;
  for (const LayerPlan& layer : p.modules.layers) {
    for (size_t stage = 0; stage < layer.size(); ++stage) {
      const SetPlan& group = layer[stage];
      int64_t rows = 0;
      const int64_t k = group.group.linears[0].in_features;
      for (const LinearSpec& linear : group.group.linears) rows += linear.out_features;
      const bool again = twice && static_cast<int>(stage) == Decoder::starting_stage(static_cast<int>(stage));
      work.widest = std::max(work.widest, k);
      work.largest = std::max(work.largest, rows * k);
      work.flops += streams * (again ? 4.0 : 2.0) * tokens * static_cast<double>(rows * k);
      if (!group.grid) continue;
      work.flops += tokens * static_cast<double>(k * k) * (p.gptaq ? 2.2 : 1.2);
      work.weights += static_cast<double>(rows * k);
    }
    work.flops += attention * (twice ? 2 : 1);
  }
  return work;
}

}  // namespace

Estimate estimate(const MemoryProblem& p, const MemoryPlan& plan, int64_t bytes_in, Backend& backend) {
  const Architecture& a = p.architecture;
  const Work work = count_work(p, p.true_sequential && !plan.keep_inputs);
  const double rate = measure_rate(backend);
  Estimate e;
  if (backend.device().kind != Device::Kind::kCpu) {
    e.peak_bytes = bytes_in + plan.host_bytes() + kProgramBytes;
    // Each of the two halves of a layer brings the streams three times and takes them back once.
    const double moved = static_cast<double>(a.layers) * 8.0 * static_cast<double>(plan.stream_host_bytes);
    e.seconds = work.flops / (rate * kGpuShare) + work.weights * kGpuSecondsPerWeight + moved / kBusRate;
    return e;
  }
  // CalibrationStates; H, both matrices of GPTAQ, the factor and its inverse; a group's weights in fp32, in their own and in
  // processing order, and their codes; a batch's scratch; the source's pages; the program itself.
  const double streams = p.gptaq ? 1.5 : 1.0, tokens = static_cast<double>(p.tokens());
  const double widest = static_cast<double>(work.widest), hidden = static_cast<double>(a.hidden_size);
  const double batch = static_cast<double>(plan.batch_rows);
  e.peak_bytes = static_cast<int64_t>(streams * tokens * (hidden + (plan.keep_inputs ? widest : 0)) * 4 +
                                      5.0 * widest * widest * 4 + 2.5 * static_cast<double>(work.largest) * 4 +
                                      batch * (2 * static_cast<double>(a.intermediate_size) + hidden) * 4 +
                                      static_cast<double>(bytes_in)) +
                 kProgramBytes;
  e.seconds = work.flops / rate * kCpuFactor;
  return e;
}

int64_t peak_resident_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

}  // namespace gptq
