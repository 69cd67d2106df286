// The staged pass over one layer at a time.
#include "quantize/pipeline.h"

#include <algorithm>
#include <chrono>
#include <numeric>

#include <gptq/error.h>

#include "checkpoint/packed_format.h"
#include "quantize/pack.h"
#include "quantize/solver.h"

namespace gptq {

namespace {

constexpr int64_t kStretchTokens = 4096;  // of neighbouring windows that are followed, or not, together
constexpr int64_t kOriginalEvery = 2;     // every second stretch is followed through the original model too

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// A linear's bias as the checkpoint will store it, so that this run and a reader of its output agree.
Tensor stored_bias(const Checkpoint& checkpoint, const std::string& module, const LinearSpec& linear,
                   Backend& backend) {
  if (!linear.bias) return {};
  const std::vector<float> values = load_vector(checkpoint, module + ".bias", linear.out_features, backend);
  Tensor bias(DType::kF32, {linear.out_features});
  for (size_t i = 0; i < values.size(); ++i) bias.values<float>()[i] = to_float(to_half(values[i]));
  return bias;
}

}  // namespace

Pipeline::Pipeline(const PipelineInputs& inputs) : in_(inputs), decoder_(inputs.architecture, inputs.backend) {}

void Pipeline::start() {
  const ModelWeights ends = load_ends(in_.checkpoint, in_.architecture, in_.backend);
  const int64_t length = in_.calibration.seqlen, per_batch = std::max<int64_t>(1, in_.backend.batch_rows() / length);
  for (const TokenId id : in_.calibration.tokens) {
    if (id >= 0 && id < in_.architecture.vocab_size) continue;
    throw Error(ErrorKind::kVerification, "embedding the calibration text: the tokenizer made token " +
                                              std::to_string(id) + ", the model's vocabulary has " +
                                              std::to_string(in_.architecture.vocab_size) +
                                              "; tokenizer.json belongs to another model");
  }
  // Which windows both models run does not depend on the size of a batch, so that every device does the same.
  const int64_t stretch = std::max<int64_t>(1, kStretchTokens / length);
  for (const bool followed : {true, false}) {
    std::vector<TokenId> tokens;
    const auto embed = [&] {
      const int64_t count = static_cast<int64_t>(tokens.size()) / length;
      if (count == 0) return;
      decoder_.embed(quantized_.emplace_back(), tokens, count, *ends.embedding);
      original_.emplace_back();
      if (followed) decoder_.embed(original_.back().emplace(), tokens, count, *ends.embedding);
      tokens.clear();
    };
    for (int64_t window = 0; window < in_.calibration.samples; ++window) {
      if ((gptaq() && window / stretch % kOriginalEvery == 0) != followed) continue;
      const auto first = in_.calibration.tokens.begin() + window * length;
      tokens.insert(tokens.end(), first, first + length);
      if (static_cast<int64_t>(tokens.size()) == per_batch * length) embed();
    }
    embed();
  }
}

void Pipeline::quantize_layer(int64_t index, const StepSink& on_step, const ModuleSink& on_module) {
  LayerWeights layer = load_layer_norms(in_.checkpoint, in_.architecture, index, in_.backend);
  LayerWeights original = load_layer_norms(in_.checkpoint, in_.architecture, index, in_.backend);
  if (in_.options.true_sequential) {
    for (int stage = 0; stage < Decoder::kStages; ++stage) {
      run_stage(stage, index, layer, original, on_step, on_module);
    }
    return;
  }
  // All Hessians from the unquantized layer, then all solves, then the quantized layer.
  std::array<Matrix, kInputGroups> hessians;
  for (int stage = 0; stage < Decoder::kStages; ++stage) {
    load_dense(stage, index, original);
    hessians[static_cast<size_t>(stage)] = zeros(decoder_.input_width(stage));
  }
  Activations copy;
  for (const Activations& batch : quantized_) {
    decoder_.copy(copy, batch);
    for (int stage = 0; stage < Decoder::kStages; ++stage) {
      decoder_.enter(stage, original, copy);
      check_finite(stage, index, copy.input);
      in_.backend.accumulate_hessian(hessians[static_cast<size_t>(stage)].view(), copy.input);
      decoder_.leave(stage, original, index, copy);
    }
  }
  for (int stage = 0; stage < Decoder::kStages; ++stage) {
    on_step(0.5 + 0.1 * stage, in_.plan.layers[static_cast<size_t>(index)][static_cast<size_t>(stage)].group.name);
    solve(stage, index, layer, hessians[static_cast<size_t>(stage)], std::nullopt, on_module);
  }
  for (Activations& batch : quantized_) decoder_.layer(layer, index, batch);
}

void Pipeline::run_stage(int stage, int64_t index, LayerWeights& layer, LayerWeights& original, const StepSink& on_step,
                         const ModuleSink& on_module) {
  const GroupPlan& plan = in_.plan.layers[static_cast<size_t>(index)][static_cast<size_t>(stage)];
  const auto step = [&](double part) { on_step((stage + part) / Decoder::kStages, plan.group.name); };
  const int64_t k = decoder_.input_width(stage);
  const bool solved = plan.grid.has_value();
  // The very first input is the same in both streams.
  const bool differs = gptaq() && solved && !(index == 0 && stage == 0);
  Matrix hessian, cross, cross_hessian;
  if (solved) hessian = zeros(k);
  if (differs) cross = zeros(k);
  size_t done = 0;
  const auto observe = [&](size_t b) {
    Activations& x = quantized_[b];
    decoder_.enter(stage, layer, x);
    check_finite(stage, index, x.input);
    if (original_[b]) decoder_.enter(stage, original, *original_[b]);
    if (solved) in_.backend.accumulate_hessian(hessian.view(), x.input);
    if (original_[b] && differs) in_.backend.accumulate_cross(cross.view(), original_[b]->input, x.input);
    step(0.4 * static_cast<double>(++done) / static_cast<double>(quantized_.size()));
  };
  // The windows that both streams follow come first: the Hessian so far is the one their regression needs.
  for (size_t b = 0; b < quantized_.size(); ++b) {
    if (original_[b]) observe(b);
  }
  if (differs) {
    cross_hessian = in_.backend.allocate(DType::kF32, k, k);
    in_.backend.copy(cross_hessian.view(), hessian.view());
  }
  for (size_t b = 0; b < quantized_.size(); ++b) {
    if (!original_[b]) observe(b);
  }
  if (solved) {
    solve(stage, index, layer, hessian,
          differs ? std::optional(GptaqTerms{cross.view(), cross_hessian.view()}) : std::nullopt, on_module);
  } else {
    load_dense(stage, index, layer);
  }
  hessian = {};
  cross = {};
  cross_hessian = {};
  const bool last = index + 1 == in_.architecture.layers && stage + 1 == Decoder::kStages;
  if (last) return;  // nobody reads what the model's last linear adds
  if (gptaq()) load_dense(stage, index, original);
  for (size_t b = 0; b < quantized_.size(); ++b) {
    decoder_.leave(stage, layer, index, quantized_[b]);
    if (original_[b]) decoder_.leave(stage, original, index, *original_[b]);
    step(0.5 + 0.5 * static_cast<double>(b + 1) / static_cast<double>(quantized_.size()));
  }
  layer.groups[static_cast<size_t>(stage)].clear();
  original.groups[static_cast<size_t>(stage)].clear();
}

void Pipeline::solve(int stage, int64_t index, LayerWeights& layer, const Matrix& hessian,
                     const std::optional<GptaqTerms>& gptaq, const ModuleSink& on_module) {
  const auto start = std::chrono::steady_clock::now();
  const GroupPlan& plan = in_.plan.layers[static_cast<size_t>(index)][static_cast<size_t>(stage)];
  if (!plan.grid) return load_dense(stage, index, layer);
  const int64_t k = plan.group.linears[0].in_features;

  int64_t rows = 0;
  for (const LinearSpec& linear : plan.group.linears) rows += linear.out_features;
  Matrix stacked = in_.backend.allocate(DType::kF32, rows, k);
  int64_t first = 0;
  for (const LinearSpec& linear : plan.group.linears) {
    const std::string name = layer_prefix(index) + linear.name + ".weight";
    in_.backend.load(stacked.view().row_range(first, linear.out_features),
                     load_matrix(in_.checkpoint, name, linear.out_features, k, in_.backend));
    first += linear.out_features;
  }
  GroupProblem problem;
  problem.weights = stacked.view();
  problem.hessian = hessian.view();
  problem.gptaq = gptaq;
  problem.gptaq_strength = in_.options.gptaq;
  problem.damp = in_.options.damp;
  problem.grid = *plan.grid;
  problem.lowest_zero = in_.plan.format == CheckpointFormat::kGptq ? 1 : 0;
  const GroupSolution solution = solve_group(problem, in_.backend);
  stacked = {};

  first = 0;
  for (const LinearSpec& linear : plan.group.linears) {
    const int64_t n = linear.out_features;
    const std::string module = layer_prefix(index) + linear.name;
    const PackedWeight packed =
        pack(solution, first, n, stored_bias(in_.checkpoint, module, linear, in_.backend), in_.backend);
    ModuleReport report;
    for_each_stored(packed, module, in_.plan.format, [&](const std::string& name, const TensorView& tensor) {
      in_.writer.write(name, tensor);
      report.bytes_out += static_cast<int64_t>(tensor.bytes());
    });
    layer.groups[static_cast<size_t>(stage)].push_back(in_.backend.prepare(packed));

    const auto sum = [&](const std::vector<double>& values) {
      return std::accumulate(values.begin() + first, values.begin() + first + n, 0.0);
    };
    report.name = module;
    report.bits = plan.grid->bits;
    report.group_size = plan.grid->group_size;
    const double energy = sum(solution.energy);
    report.error = energy > 0 ? sum(solution.error) / energy : 0.0;
    report.damp = solution.damp;
    report.method = solution.method;
    report.seconds = seconds_since(start) * static_cast<double>(n) / static_cast<double>(rows);
    report.bytes_in = static_cast<int64_t>(in_.checkpoint.tensor(module + ".weight").bytes());
    on_module(report);
    first += n;
  }
}

void Pipeline::load_dense(int stage, int64_t index, LayerWeights& layer) {
  const GroupPlan& plan = in_.plan.layers[static_cast<size_t>(index)][static_cast<size_t>(stage)];
  for (const LinearSpec& linear : plan.group.linears) {
    layer.groups[static_cast<size_t>(stage)].push_back(
        load_linear(in_.checkpoint, layer_prefix(index) + linear.name, linear, in_.backend));
  }
}

void Pipeline::replay_layer(int64_t index, const std::vector<PackedWeight>& linears) {
  LayerWeights layer = load_layer_norms(in_.checkpoint, in_.architecture, index, in_.backend);
  size_t next = 0;
  for (int stage = 0; stage < Decoder::kStages; ++stage) {
    const GroupPlan& plan = in_.plan.layers[static_cast<size_t>(index)][static_cast<size_t>(stage)];
    if (!plan.grid) load_dense(stage, index, layer);
    for (size_t i = 0; plan.grid && i < plan.group.linears.size(); ++i) {
      layer.groups[static_cast<size_t>(stage)].push_back(in_.backend.prepare(linears[next++]));
    }
  }
  for (Activations& batch : quantized_) decoder_.layer(layer, index, batch);
  if (!gptaq()) return;
  const LayerWeights original = load_layer(in_.checkpoint, in_.architecture, index, in_.backend);
  for (std::optional<Activations>& batch : original_) {
    if (batch) decoder_.layer(original, index, *batch);
  }
}

Matrix Pipeline::zeros(int64_t size) {
  Matrix matrix = in_.backend.allocate(DType::kF32, size, size);
  in_.backend.clear(matrix.view());
  return matrix;
}

void Pipeline::check_finite(int stage, int64_t index, MatrixView input) const {
  if (in_.backend.all_finite(input)) return;
  const GroupPlan& plan = in_.plan.layers[static_cast<size_t>(index)][static_cast<size_t>(stage)];
  throw Error(ErrorKind::kNumerical, "running the calibration text: the input of " + layer_prefix(index) +
                                         plan.group.linears[0].name +
                                         " holds NaN or infinity (the first place where it happens); the model's "
                                         "weights overflow there, check them with another tool");
}

}  // namespace gptq
