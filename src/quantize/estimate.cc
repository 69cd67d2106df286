// Memory and time of a run, from shapes.
#include "quantize/estimate.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <vector>

namespace gptq::quantization {

using backend::LayerProgram;
using model::Architecture;

namespace {

constexpr int64_t kProgramBytes = 32 << 20;  // code, libraries, tokenizer

// On a GPU, measured on one H100 with a 7B model: the fraction of the matrix product rate that all arithmetic reaches,
// and the additional time per weight for reading, solving and packing.
constexpr double kGpuShare = 0.43, kGpuSecondsPerWeight = 0.7e-9;
constexpr double kBusRate = 40e9;  // bytes per second between host and GPU, one direction
constexpr double kCpuFactor = 1.25;

// Floating-point operations per second of a matrix product of the size of a layer's.
double measure_rate(backend::Backend& backend) {
  const auto& probe = backend.capabilities().probe_gemm;
  const int64_t size = probe.m, rows = probe.k;
  std::mt19937 random(1);  // zeros and constants draw less power than data
  std::vector<float> values(static_cast<size_t>(rows * size));
  for (float& value : values) value = static_cast<float>(random()) * 0x1p-32f - 0.5f;
  const TensorView view{DType::kF32, {size, size}, reinterpret_cast<const std::byte*>(values.data())};
  const std::unique_ptr<backend::Weight> weight = backend.load_weight(view, nullptr);
  const backend::Matrix x = backend.allocate(backend.activation_dtype(), rows, size);
  const backend::Matrix y = backend.allocate(backend.activation_dtype(), rows, size);
  backend.upload(x.view(), values);
  const backend::Weight* weights[] = {weight.get()};
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
  int64_t widest = 0;   // inputs of a linear set
  int64_t largest = 0;  // weights of a linear set
};

// How often the passes of a layer run each of its linear sets and its attention. A pass that keeps only the residual
// stream recomputes the sets between the restart step and its target.
struct Runs {
  std::vector<double> sets;
  double attention = 0;
};

Runs count_runs(const LayerProgram& program, bool recomputes) {
  const int sets = static_cast<int>(program.linear_sets.size());
  Runs runs{std::vector<double>(static_cast<size_t>(sets), 1.0), 1.0};
  if (!recomputes) return runs;
  int attention = 0;
  while (!std::holds_alternative<backend::AttentionStep>(program.steps[static_cast<size_t>(attention)])) ++attention;
  for (int set = 0; set < sets; ++set) {
    const int begin = program.restart_before(set), end = program.step_of(set);
    for (int s = 0; s < set; ++s) runs.sets[static_cast<size_t>(s)] += program.step_of(s) >= begin;
    runs.attention += attention >= begin && attention < end;
  }
  return runs;
}

Work count_work(const MemoryProblem& p, bool recomputes) {
  const Architecture& a = p.architecture;
  const double tokens = static_cast<double>(p.tokens());
  const double streams = p.gptaq ? 1.5 : 1.0;  // the original model is paired for half of the windows
  std::vector<Runs> runs;
  for (const LayerProgram& program : a.programs) runs.push_back(count_runs(program, recomputes));
  Work work;
  for (size_t layer = 0; layer < p.modules.layers.size(); ++layer) {
    const Runs& count = runs[static_cast<size_t>(a.program_of_layer[layer])];
    const backend::AttentionStep& attention = a.program(static_cast<int64_t>(layer)).attention();
    const std::vector<SetPlan>& sets = p.modules.layers[layer].sets;
    for (size_t set = 0; set < sets.size(); ++set) {
      const int64_t rows = sets[set].set.out_features(), k = sets[set].set.in_features();
      work.widest = std::max(work.widest, k);
      work.largest = std::max(work.largest, rows * k);
      work.flops += streams * 2.0 * count.sets[set] * tokens * static_cast<double>(rows * k);
      if (!sets[set].grid) continue;
      work.flops += tokens * static_cast<double>(k * k) * (p.gptaq ? 2.2 : 1.2);
      work.weights += static_cast<double>(rows * k);
    }
    work.flops += streams * 4.0 * tokens * count.attention *
                  static_cast<double>(p.longest() * attention.heads * attention.head_dim);
  }
  return work;
}

// Columns of the widest scratch of a layer.
int64_t scratch_columns(const Architecture& a) {
  int64_t most = 0;
  for (const LayerProgram& program : a.programs) {
    int64_t sum = 0;
    for (size_t b = static_cast<size_t>(program.kept_buffers); b < program.buffers.size(); ++b)
      sum += program.buffers[b];
    most = std::max(most, sum);
  }
  return most;
}

}  // namespace

Estimate estimate(const MemoryProblem& p, const MemoryPlan& plan, int64_t bytes_in, backend::Backend& backend) {
  const Architecture& a = p.architecture;
  const Work work = count_work(p, p.true_sequential && !plan.keep_inputs);
  const double rate = measure_rate(backend);
  Estimate e;
  if (backend.capabilities().own_memory) {
    e.peak_bytes = bytes_in + plan.host_bytes() + kProgramBytes;
    // Each of the two halves of a layer fetches the streams three times and stores them once.
    const double moved = static_cast<double>(a.layers) * 8.0 * static_cast<double>(plan.stream_host_bytes);
    e.seconds = work.flops / (rate * kGpuShare) + work.weights * kGpuSecondsPerWeight + moved / kBusRate;
    return e;
  }
  // CalibrationStates; H, both matrices of GPTAQ, the factor and its inverse; a group's weights in fp32, in natural and
  // in processing order, and their codes; a batch's scratch; the source's pages; the program itself.
  const double streams = p.gptaq ? 1.5 : 1.0, tokens = static_cast<double>(p.tokens());
  const double widest = static_cast<double>(work.widest), hidden = static_cast<double>(a.hidden_size);
  const double batch = static_cast<double>(plan.batch_rows);
  e.peak_bytes = static_cast<int64_t>(streams * tokens * (hidden + (plan.keep_inputs ? widest : 0)) * 4 +
                                      5.0 * widest * widest * 4 + 2.5 * static_cast<double>(work.largest) * 4 +
                                      batch * (static_cast<double>(scratch_columns(a)) + hidden) * 4 +
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

}  // namespace gptq::quantization
