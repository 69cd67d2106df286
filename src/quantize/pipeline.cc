// The staged pass over one layer at a time.
#include "quantize/pipeline.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include <gptq/error.h>

#include "checkpoint/packed_format.h"
#include "core/clock.h"
#include "quantize/pack.h"
#include "quantize/solver.h"
#include "quantize/storable.h"

namespace gptq {

namespace {

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

Pipeline::Pipeline(const PipelineInputs& inputs)
    : in_(inputs),
      decoder_(inputs.architecture, inputs.backend),
      states_(inputs.architecture, inputs.backend, inputs.memory),
      reader_(inputs.checkpoint) {}

void Pipeline::start() {
  const Architecture& a = in_.architecture;
  std::vector<TokenId> ids = in_.calibration.tokens;
  ids.insert(ids.end(), in_.calibration.held.tokens.begin(), in_.calibration.held.tokens.end());
  for (const TokenId id : ids) {
    if (id >= 0 && id < a.vocab_size) continue;
    throw Error(ErrorKind::kVerification, "embedding the calibration text: the tokenizer made token " +
                                              std::to_string(id) + ", the model's vocabulary has " +
                                              std::to_string(a.vocab_size) +
                                              "; tokenizer.json belongs to another model");
  }
  // What comes after the layers is not run; that it is there and sound is better known now than at the end.
  load_vector(in_.checkpoint, kFinalNormName, a.hidden_size, in_.backend);
  if (!a.tied_head) load_matrix(in_.checkpoint, kHeadName, a.vocab_size, a.hidden_size, in_.backend);
  const std::unique_ptr<Weight> embedding = in_.backend.load_weight(
      load_matrix(in_.checkpoint, kEmbeddingName, a.vocab_size, a.hidden_size, in_.backend), nullptr);
  const Calibration& c = in_.calibration;
  std::vector<std::span<const TokenId>> windows;
  for (const Windows* part : {static_cast<const Windows*>(&c), &c.held}) {
    size_t begin = 0;
    for (const int64_t window : part->lengths) {
      windows.push_back(std::span(part->tokens).subspan(begin, static_cast<size_t>(window)));
      begin += static_cast<size_t>(window);
    }
  }
  for (const Batch& batch : make_batches(c.lengths, c.held.lengths, gptaq(), in_.memory.batch_rows)) {
    std::vector<TokenId> tokens;
    for (const int64_t window : batch.windows) {
      const auto& source = windows[static_cast<size_t>(window)];
      tokens.insert(tokens.end(), source.begin(), source.end());
    }
    states_.add(tokens, batch, *embedding);
  }
  if (in_.memory.hessian_on_host) {
    int64_t widest = 0;
    for (int stage = 0; stage < Decoder::kStages; ++stage) widest = std::max(widest, decoder_.input_width(stage));
    hessian_on_host_ = in_.backend.allocate_host(DType::kF32, widest, widest);
  }
}

void Pipeline::observe_held(int stage, int64_t index, const InputOf& input_of) {
  if (!measures(stage, index)) return;
  const int64_t k = decoder_.input_width(stage);
  Held& held = held_[static_cast<size_t>(stage)];
  if (held.hessian.rows() < k) held.hessian = in_.backend.allocate_host(DType::kF32, k, k);
  const Matrix hessian = zeros(k, k);
  states_.for_each(states_.calibrating(), states_.all(), CalibrationStates::Access::kRead,
                   [&](Activations& x, Activations*) { in_.backend.accumulate_hessian(hessian.view(), input_of(x)); });
  release_scratch();
  held.energy = in_.backend.row_quadratic_forms(load_stacked(stage, index).view(), hessian.view());
  in_.backend.store(held.hessian.view(), hessian.view());
}

void Pipeline::quantize_layer(int64_t index, const StepSink& on_step, const ModuleSink& on_module) {
  read_ahead(index);
  LayerWeights layer = load_layer_norms(in_.checkpoint, in_.architecture, index, in_.backend);
  LayerWeights original = load_layer_norms(in_.checkpoint, in_.architecture, index, in_.backend);
  if (!in_.options.true_sequential) {
    return quantize_from_unquantized_layer(index, layer, original, on_step, on_module);
  }
  for (int stage = 0; stage < Decoder::kStages; ++stage) {
    run_stage(stage, index, layer, original, on_step, on_module);
  }
}

// All Hessians from the unquantized layer, then all solves, then the quantized layer.
void Pipeline::quantize_from_unquantized_layer(int64_t index, LayerWeights& layer, LayerWeights& original,
                                               const StepSink& on_step, const ModuleSink& on_module) {
  std::array<Matrix, kLinearSets> hessians;
  std::array<Matrix, kLinearSets> non_finite;
  for (int stage = 0; stage < Decoder::kStages; ++stage) {
    load_dense(stage, index, original, FiniteCheck::kRequired);
  }
  Activations copy;
  for (int stage = 0; stage < Decoder::kStages; ++stage) {
    observe_held(stage, index, [&](Activations& x) {
      decoder_.copy(copy, x);
      for (int s = 0; s < stage; ++s) {
        decoder_.enter(s, original, copy);
        decoder_.leave(s, original, index, copy);
      }
      decoder_.enter(stage, original, copy);
      return copy.input;
    });
  }
  for (int stage = 0; stage < Decoder::kStages; ++stage) {
    non_finite[static_cast<size_t>(stage)] = zeros(2, 1);
    hessians[static_cast<size_t>(stage)] = zeros(decoder_.input_width(stage), decoder_.input_width(stage));
  }
  states_.for_each(0, states_.calibrating(), CalibrationStates::Access::kRead, [&](const Activations& x, Activations*) {
    decoder_.copy(copy, x);
    for (int stage = 0; stage < Decoder::kStages; ++stage) {
      decoder_.enter(stage, original, copy);
      in_.backend.find_non_finite(non_finite[static_cast<size_t>(stage)].view().row_range(0, 1), copy.input);
      in_.backend.accumulate_hessian(hessians[static_cast<size_t>(stage)].view(), copy.input);
      decoder_.leave(stage, original, index, copy);
    }
  });
  copy = {};
  original = {};
  release_scratch();
  for (int stage = 0; stage < Decoder::kStages; ++stage) {
    on_step(0.5 + 0.1 * stage, set_plan(stage, index).group.name);
    solve(stage, index, layer, non_finite[static_cast<size_t>(stage)], std::move(hessians[static_cast<size_t>(stage)]),
          std::nullopt, on_module);
  }
  states_.for_each(0, states_.all(), CalibrationStates::Access::kUpdate,
                   [&](Activations& x, Activations*) { decoder_.layer(layer, index, x); });
  release_scratch();
}

void Pipeline::run_stage(int stage, int64_t index, LayerWeights& layer, LayerWeights& original, const StepSink& on_step,
                         const ModuleSink& on_module) {
  const SetPlan& plan = set_plan(stage, index);
  // A pass runs the stages from here on; where inputs are kept, the ones before have left theirs behind.
  const int first = in_.memory.keep_inputs ? stage : Decoder::starting_stage(stage);
  const auto load_original = [&](int begin, int end) {  // of stages that solve() has seen to be finite
    for (int s = begin; gptaq() && s < end; ++s) load_dense(s, index, original, FiniteCheck::kDone);
  };
  const auto drop = [&](LayerWeights& weights) {
    for (int s = first; s <= stage; ++s) weights.groups[static_cast<size_t>(s)].clear();
  };
  size_t done = 0;
  const auto step = [&](double from, double part) {
    ++done;
    on_step((stage + from + part * static_cast<double>(done) / static_cast<double>(states_.all())) / Decoder::kStages,
            plan.group.name);
  };
  observe_held(stage, index, [&](Activations& x) {
    reach(stage, index, layer, x);
    return x.input;
  });
  const int64_t k = decoder_.input_width(stage);
  const bool solved = plan.grid.has_value();
  // The very first input is the same in both streams.
  const bool differs = gptaq() && solved && !(index == 0 && stage == 0);
  Matrix hessian, cross, cross_hessian;
  if (solved) hessian = zeros(k, k);
  if (differs) cross = zeros(k, k);
  const Matrix non_finite = zeros(2, 1);
  load_original(first, stage);
  const CalibrationStates::Visitor observe = [&](Activations& x, Activations* other) {
    reach(stage, index, layer, x);
    in_.backend.find_non_finite(non_finite.view().row_range(0, 1), x.input);
    if (other) reach(stage, index, original, *other);
    if (solved) in_.backend.accumulate_hessian(hessian.view(), x.input);
    if (other && differs) in_.backend.accumulate_cross(cross.view(), other->input, x.input);
    step(0, 0.4);
  };
  // The windows that both streams follow come first: the Hessian so far is the one their regression needs.
  states_.for_each(0, states_.paired(), CalibrationStates::Access::kRead, observe);
  drop(original);
  release_scratch();  // the other stream's
  if (differs) {
    cross_hessian = in_.backend.allocate(DType::kF32, k, k);
    in_.backend.copy(cross_hessian.view(), hessian.view());
  }
  states_.for_each(states_.paired(), states_.calibrating(), CalibrationStates::Access::kRead, observe);
  release_scratch();
  std::optional<GptaqTerms> terms;
  if (differs) terms = GptaqTerms{std::move(cross), std::move(cross_hessian)};
  solve(stage, index, layer, non_finite, std::move(hessian), std::move(terms), on_module);

  const bool last = index + 1 == in_.architecture.layers && stage + 1 == Decoder::kStages;
  if (last) return;  // nobody reads what the model's last linear adds
  if (!in_.memory.keep_inputs && stage == Decoder::starting_stage(stage)) return;  // the next pass runs this stage
  load_original(first, stage + 1);
  done = 0;
  states_.for_each(0, states_.all(), CalibrationStates::Access::kUpdate, [&](Activations& x, Activations* other) {
    reach(stage, index, layer, x);
    decoder_.leave(stage, layer, index, x);
    if (other) reach(stage, index, original, *other);
    if (other) decoder_.leave(stage, original, index, *other);
    step(0.5, 0.5);
  });
  drop(layer);
  drop(original);
  release_scratch();
}

void Pipeline::reach(int stage, int64_t index, const LayerWeights& layer, Activations& x) {
  for (int s = in_.memory.keep_inputs ? stage : Decoder::starting_stage(stage); s < stage; ++s) {
    decoder_.enter(s, layer, x);
    decoder_.leave(s, layer, index, x);
  }
  decoder_.enter(stage, layer, x);
}

void Pipeline::solve(int stage, int64_t index, LayerWeights& layer, const Matrix& non_finite, Matrix hessian,
                     std::optional<GptaqTerms> gptaq, const ModuleSink& on_module) {
  const auto start = std::chrono::steady_clock::now();
  const SetPlan& plan = set_plan(stage, index);
  if (!plan.grid) {
    check_finite(stage, index, non_finite);
    return load_dense(stage, index, layer, FiniteCheck::kRequired);
  }
  SolveProblem problem;
  problem.weights = load_stacked(stage, index);  // while the device is still busy with the passes before
  in_.backend.find_non_finite(non_finite.view().row_range(1, 1), problem.weights.view());
  check_finite(stage, index, non_finite);
  const int64_t rows = problem.weights.rows(), k = problem.weights.cols();
  problem.hessian = std::move(hessian);
  problem.gptaq = std::move(gptaq);
  if (in_.memory.hessian_on_host) problem.hessian_on_host = {DType::kF32, hessian_on_host_.view().data, k, k, k};
  const Held& held = held_[static_cast<size_t>(stage)];
  if (measures(stage, index)) problem.held_hessian = held.hessian.view();
  problem.gptaq_strength = in_.options.gptaq;
  problem.damp = in_.options.damp;
  problem.grid = *plan.grid;
  problem.lowest_zero = in_.plan.format == CheckpointFormat::kGptq ? 1 : 0;
  const SolveResult solution = solve_linear_set(std::move(problem), in_.backend);

  int64_t first = 0;
  for (const LinearSpec& linear : plan.group.linears) {
    const int64_t n = linear.out_features;
    const std::string module = layer_prefix(index) + linear.name;
    const auto sum = [&](const std::vector<double>& values) {
      return std::accumulate(values.begin() + first, values.begin() + first + n, 0.0);
    };
    const auto ratio = [&](const std::vector<double>& errors, const std::vector<double>& energies) {
      const double energy = sum(energies);
      return energy == 0 ? 0.0 : sum(errors) / energy;
    };
    const double error = ratio(solution.error, solution.energy);
    for (int64_t g = 0; g < solution.groups; ++g) {
      const std::span<const float> scales(solution.scales);
      check_solved(module, scales.subspan(static_cast<size_t>(g * rows + first), static_cast<size_t>(n)), error);
    }
    PackedWeight packed =
        pack(solution, first, n, stored_bias(in_.checkpoint, module, linear, in_.backend), in_.backend);
    layer.groups[static_cast<size_t>(stage)].push_back(in_.backend.load_weight(packed));
    in_.output.write(module, std::move(packed));

    ModuleReport report;
    report.name = module;
    report.bits = plan.grid->bits;
    report.group_size = plan.grid->group_size;
    report.error = measures(stage, index) ? ratio(solution.held_error, held.energy) : std::nan("");
    report.damp = solution.damp;
    report.method = solution.method;
    report.seconds = seconds_since(start) * static_cast<double>(n) / static_cast<double>(rows);
    report.bytes_in = static_cast<int64_t>(in_.checkpoint.tensor(module + ".weight").bytes());
    for (const TensorSpec& spec : packed_specs(module, k, n, report.bits, report.group_size, linear.bias)) {
      report.bytes_out += static_cast<int64_t>(spec.bytes());
    }
    on_module(report);
    first += n;
  }
}

Matrix Pipeline::load_stacked(int stage, int64_t index) {
  const std::vector<LinearSpec>& linears = set_plan(stage, index).group.linears;
  const int64_t k = linears[0].in_features;
  int64_t rows = 0;
  for (const LinearSpec& linear : linears) rows += linear.out_features;
  Matrix stacked = in_.backend.allocate(DType::kF32, rows, k);
  int64_t first = 0;
  for (const LinearSpec& linear : linears) {
    const std::string name = layer_prefix(index) + linear.name + ".weight";
    in_.backend.load(stacked.view().row_range(first, linear.out_features),
                     find_matrix(in_.checkpoint, name, linear.out_features, k));
    first += linear.out_features;
  }
  return stacked;
}

void Pipeline::load_dense(int stage, int64_t index, LayerWeights& layer, FiniteCheck check) {
  for (const LinearSpec& linear : set_plan(stage, index).group.linears) {
    layer.groups[static_cast<size_t>(stage)].push_back(
        load_linear(in_.checkpoint, layer_prefix(index) + linear.name, linear, in_.backend, check));
  }
}

void Pipeline::read_ahead(int64_t index) {
  for (int64_t layer = index; layer < std::min(index + 2, in_.architecture.layers); ++layer) {
    if (layer < layers_expected_) continue;
    layers_expected_ = layer + 1;
    for (const SetPlan& plan : in_.plan.layers[static_cast<size_t>(layer)]) {
      for (const LinearSpec& linear : plan.group.linears) {
        reader_.prefetch(layer_prefix(layer) + linear.name + ".weight");
      }
    }
  }
}

void Pipeline::replay_layer(int64_t index, const std::vector<PackedWeight>& linears) {
  LayerWeights layer = load_layer_norms(in_.checkpoint, in_.architecture, index, in_.backend);
  size_t next = 0;
  for (int stage = 0; stage < Decoder::kStages; ++stage) {
    const SetPlan& plan = set_plan(stage, index);
    if (!plan.grid) load_dense(stage, index, layer, FiniteCheck::kRequired);
    for (size_t i = 0; plan.grid && i < plan.group.linears.size(); ++i) {
      layer.groups[static_cast<size_t>(stage)].push_back(in_.backend.load_weight(linears[next++]));
    }
  }
  LayerWeights original;
  if (gptaq()) read_ahead(index);
  if (gptaq()) original = load_layer(in_.checkpoint, in_.architecture, index, in_.backend);
  states_.for_each(0, states_.all(), CalibrationStates::Access::kUpdate, [&](Activations& x, Activations* other) {
    decoder_.layer(layer, index, x);
    if (other) decoder_.layer(original, index, *other);
  });
  release_scratch();
}

Matrix Pipeline::zeros(int64_t rows, int64_t cols) {
  Matrix matrix = in_.backend.allocate(DType::kF32, rows, cols);
  in_.backend.clear(matrix.view());
  return matrix;
}

void Pipeline::release_scratch() {
  decoder_.release();
  states_.release();
}

void Pipeline::check_finite(int stage, int64_t index, const Matrix& non_finite) const {
  const std::vector<float> flags = in_.backend.download(non_finite.view());
  const std::vector<LinearSpec>& linears = set_plan(stage, index).group.linears;
  if (flags[0] != 0.0f) {
    throw Error(ErrorKind::kNumerical, "running the calibration text: the input of " + layer_prefix(index) +
                                           linears[0].name +
                                           " holds NaN or infinity (the first place where it happens); the model's "
                                           "weights overflow there, check them with another tool");
  }
  if (flags[1] == 0.0f) return;
  for (const LinearSpec& linear : linears) {  // says which one it is
    load_matrix(in_.checkpoint, layer_prefix(index) + linear.name + ".weight", linear.out_features, linear.in_features,
                in_.backend);
  }
  throw Error(ErrorKind::kNumerical,
              "loading the weights of " + layer_prefix(index) + linears[0].name +
                  ": the device non_finite NaN or infinity that the file does not hold; run again, "
                  "and test the device's memory if it comes back");
}

}  // namespace gptq
