// The steps for each layer and each of its linear sets.
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

namespace gptq::quantization {

using backend::LayerProgram;
using backend::LinearSpec;
using backend::Matrix;
using backend::MatrixView;
using model::FiniteCheck;

namespace {

// A linear's bias as rounded in the checkpoint, so that this run and readers of its output use the same values.
Tensor stored_bias(const checkpoint::Checkpoint& checkpoint, const std::string& module, const LinearSpec& linear,
                   backend::Backend& backend) {
  if (!linear.bias) return {};
  const std::vector<float> values = model::load_vector(checkpoint, module + ".bias", linear.out_features, backend);
  Tensor bias(DType::kF32, {linear.out_features});
  for (size_t i = 0; i < values.size(); ++i) bias.values<float>()[i] = to_float(to_half(values[i]));
  return bias;
}

}  // namespace

Pipeline::Pipeline(const PipelineInputs& inputs)
    : in_(inputs),
      transformer_(inputs.architecture, inputs.backend),
      states_(inputs.architecture, inputs.backend, inputs.memory),
      reader_(inputs.checkpoint) {}

void Pipeline::start() {
  const model::Architecture& a = in_.architecture;
  // Check the final norm and head now, so that a damaged file is found in seconds and not after hours.
  for (const backend::Parameter& parameter : a.final_parameters) {
    model::load_vector(in_.checkpoint, parameter.name, parameter.size, in_.backend);
  }
  if (!a.tied_head)
    model::load_matrix(in_.checkpoint, a.names.head + ".weight", a.vocab_size, a.hidden_size, in_.backend);
  const std::unique_ptr<backend::Weight> embedding = in_.backend.load_weight(
      model::load_matrix(in_.checkpoint, a.names.embedding, a.vocab_size, a.hidden_size, in_.backend), nullptr);
  const Calibration& c = in_.calibration;
  std::vector<std::span<const TokenId>> windows;
  for (const Windows* part : {static_cast<const Windows*>(&c), &c.held}) {
    size_t begin = 0;
    for (const int64_t window : part->lengths) {
      windows.push_back(std::span(part->tokens).subspan(begin, static_cast<size_t>(window)));
      begin += static_cast<size_t>(window);
    }
  }
  for (const WindowBatch& batch : make_batches(c.lengths, c.held.lengths, gptaq(), in_.memory.batch_rows)) {
    std::vector<TokenId> tokens;
    for (const int64_t window : batch.windows) {
      const auto& source = windows[static_cast<size_t>(window)];
      tokens.insert(tokens.end(), source.begin(), source.end());
    }
    states_.add(tokens, batch, transformer_, *embedding);
  }
  if (in_.memory.hessian_on_host) {
    int64_t widest = 0;
    for (const LayerProgram& program : a.programs) {
      for (const backend::LinearSet& set : program.linear_sets) widest = std::max(widest, set.in_features());
    }
    hessian_on_host_ = in_.backend.allocate_host(DType::kF32, widest, widest);
  }
}

void Pipeline::observe_held(int set, const Layer& layer, const InputOf& input_of) {
  if (!measures(set, layer)) return;
  const int64_t k = set_plan(set, layer).set.in_features();
  if (held_.size() <= static_cast<size_t>(set)) held_.resize(static_cast<size_t>(set) + 1);
  Held& held = held_[static_cast<size_t>(set)];
  if (held.hessian.rows() != k) held.hessian = in_.backend.allocate_host(DType::kF32, k, k);
  const Matrix hessian = zeros(k, k);
  states_.for_each(states_.calibrating(), states_.all(), CalibrationStates::Access::kRead,
                   [&](const BatchState& b) { in_.backend.accumulate_hessian(hessian.view(), input_of(b)); });
  release_scratch();
  held.energy = in_.backend.row_quadratic_forms(load_stacked(set, layer).view(), hessian.view());
  in_.backend.store(held.hessian.view(), hessian.view());
}

Pipeline::Layer Pipeline::open_layer(int64_t index) const {
  const auto load = [&] { return model::load_layer_parameters(in_.checkpoint, in_.architecture, index, in_.backend); };
  return {index, in_.architecture.program(index), in_.plan.layers[static_cast<size_t>(index)].prefix, load(), load()};
}

void Pipeline::quantize_layer(int64_t index, const StepSink& on_step, const ModuleSink& on_module) {
  read_ahead(index);
  Layer layer = open_layer(index);
  if (!in_.options.true_sequential) return quantize_from_unquantized_layer(layer, on_step, on_module);
  for (int set = 0; set < static_cast<int>(layer.program.linear_sets.size()); ++set) {
    quantize_set(set, layer, on_step, on_module);
  }
}

// All Hessians from the unquantized layer, then all solves, then the quantized layer.
void Pipeline::quantize_from_unquantized_layer(Layer& layer, const StepSink& on_step, const ModuleSink& on_module) {
  const int sets = static_cast<int>(layer.program.linear_sets.size());
  for (int set = 0; set < sets; ++set) load_dense(set, layer, layer.original, FiniteCheck::kRequired);
  model::Activations copy;
  // Runs a copy of a batch to the inputs of the sets 0 to `last`, in order.
  const auto run_copy = [&](const BatchState& b, int last,
                            const std::function<void(int set, MatrixView input)>& visit) {
    transformer_.copy(copy, b.x);
    int at = 0;
    for (int set = 0; set <= last; ++set) {
      const int step = layer.program.step_of(set);
      transformer_.run(layer.index, at, step, layer.original, copy, b.rows);
      visit(set, transformer_.input_of(layer.index, set, copy));
      at = step;
    }
  };
  for (int set = 0; set < sets; ++set) {
    observe_held(set, layer, [&](const BatchState& b) {
      run_copy(b, set, [](int, MatrixView) {});
      return transformer_.input_of(layer.index, set, copy);
    });
  }
  std::vector<Observed> observed(static_cast<size_t>(sets));
  for (int set = 0; set < sets; ++set) {
    const int64_t k = set_plan(set, layer).set.in_features();
    observed[static_cast<size_t>(set)] = {zeros(k, k), std::nullopt, zeros(2, 1)};
  }
  states_.for_each(0, states_.calibrating(), CalibrationStates::Access::kRead, [&](const BatchState& b) {
    run_copy(b, sets - 1, [&](int set, MatrixView input) {
      const Observed& o = observed[static_cast<size_t>(set)];
      in_.backend.find_non_finite(o.non_finite.view().row_range(0, 1), input);
      in_.backend.accumulate_hessian(o.hessian.view(), input);
    });
  });
  copy = {};
  layer.original = {};
  release_scratch();
  for (int set = 0; set < sets; ++set) {
    on_step(0.5 + 0.4 * set / sets, set_plan(set, layer).set.name);
    solve(set, layer, std::move(observed[static_cast<size_t>(set)]), on_module);
  }
  states_.for_each(0, states_.all(), CalibrationStates::Access::kUpdate,
                   [&](const BatchState& b) { transformer_.run_layer(layer.index, layer.weights, b.x, b.rows); });
  release_scratch();
}

int Pipeline::begin_of(const LayerProgram& program, int set) const {
  if (!in_.memory.keep_inputs) return program.restart_before(set);
  return set == 0 ? 0 : program.step_of(set);
}

MatrixView Pipeline::run_to(int set, const Layer& layer, const model::LayerWeights& weights, model::Activations& x,
                            const backend::BatchRows& rows) {
  transformer_.run(layer.index, begin_of(layer.program, set), layer.program.step_of(set), weights, x, rows);
  return transformer_.input_of(layer.index, set, x);
}

void Pipeline::quantize_set(int set, Layer& layer, const StepSink& on_step, const ModuleSink& on_module) {
  const int sets = static_cast<int>(layer.program.linear_sets.size());
  size_t done = 0;
  const auto step = [&](double from, double part) {
    ++done;
    on_step((set + from + part * static_cast<double>(done) / static_cast<double>(states_.all())) / sets,
            set_plan(set, layer).set.name);
  };
  observe_held(set, layer, [&](const BatchState& b) { return run_to(set, layer, layer.weights, b.x, b.rows); });
  Observed observed = observe(set, layer, [&] { step(0, 0.4); });
  solve(set, layer, std::move(observed), on_module);
  const bool last = layer.index + 1 == in_.architecture.layers && set + 1 == sets;
  if (last) return;  // the output of the model's last linear is not used
  const int begin = begin_of(layer.program, set);
  if (set + 1 < sets && begin_of(layer.program, set + 1) == begin) return;  // the next pass recomputes this set
  done = 0;
  advance(set, layer, [&] { step(0.5, 0.5); });
}

Pipeline::Observed Pipeline::observe(int set, Layer& layer, const std::function<void()>& on_batch) {
  const SetPlan& plan = set_plan(set, layer);
  const int64_t k = plan.set.in_features();
  const bool solved = plan.grid.has_value();
  // The first input of the model is the same in both streams.
  const bool differs = gptaq() && solved && !(layer.index == 0 && set == 0);
  Observed o;
  const int64_t n = plan.set.out_features();
  const bool of_rows = differs && in_.backend.capabilities().cross_of_rows && 2 * n < k;
  Matrix cross, cross_hessian, rows;
  if (solved) o.hessian = zeros(k, k);
  if (differs) cross = zeros(of_rows ? n : k, k);
  if (of_rows) rows = load_stacked(set, layer);
  o.non_finite = zeros(2, 1);
  const int first = layer.program.first_set_from(begin_of(layer.program, set));
  for (int s = first; gptaq() && s < set; ++s) load_dense(s, layer, layer.original, FiniteCheck::kDone);
  const CalibrationStates::Visitor visit = [&](const BatchState& b) {
    const MatrixView input = run_to(set, layer, layer.weights, b.x, b.rows);
    in_.backend.find_non_finite(o.non_finite.view().row_range(0, 1), input);
    MatrixView original;
    if (b.original != nullptr) original = run_to(set, layer, layer.original, *b.original, b.rows);
    if (solved) in_.backend.accumulate_hessian(o.hessian.view(), input);
    if (b.original != nullptr && of_rows) {
      in_.backend.accumulate_cross_of_rows(cross.view(), rows.view(), original, input);
    } else if (b.original != nullptr && differs) {
      in_.backend.accumulate_cross(cross.view(), original, input);
    }
    on_batch();
  };
  // Paired windows come first: the Hessian accumulated after them is the one for GPTAQ's regression.
  states_.for_each(0, states_.paired(), CalibrationStates::Access::kRead, visit);
  for (int s = first; s <= set; ++s) layer.original.linear_sets[static_cast<size_t>(s)].clear();
  rows = {};
  release_scratch();  // the other stream's
  if (differs) {
    cross_hessian = in_.backend.allocate(DType::kF32, k, k);
    in_.backend.copy(cross_hessian.view(), o.hessian.view());
  }
  states_.for_each(states_.paired(), states_.calibrating(), CalibrationStates::Access::kRead, visit);
  release_scratch();
  if (differs) o.gptaq = GptaqTerms{std::move(cross), std::move(cross_hessian)};
  return o;
}

void Pipeline::advance(int set, Layer& layer, const std::function<void()>& on_batch) {
  const LayerProgram& program = layer.program;
  const int begin = begin_of(program, set), first = program.first_set_from(begin);
  const bool last = set + 1 == static_cast<int>(program.linear_sets.size());
  const int end = last ? program.end() : begin_of(program, set + 1);
  // solve() has checked that they are finite.
  for (int s = first; gptaq() && s <= set; ++s) load_dense(s, layer, layer.original, FiniteCheck::kDone);
  states_.for_each(0, states_.all(), CalibrationStates::Access::kUpdate, [&](const BatchState& b) {
    transformer_.run(layer.index, begin, end, layer.weights, b.x, b.rows);
    if (b.original != nullptr) transformer_.run(layer.index, begin, end, layer.original, *b.original, b.rows);
    on_batch();
  });
  for (int s = first; s <= set; ++s) {
    layer.weights.linear_sets[static_cast<size_t>(s)].clear();
    layer.original.linear_sets[static_cast<size_t>(s)].clear();
  }
  release_scratch();
}

SolveProblem Pipeline::make_problem(int set, const Layer& layer, Observed& observed) {
  SolveProblem problem;
  problem.weights = load_stacked(set, layer);  // while the device still runs the previous passes
  in_.backend.find_non_finite(observed.non_finite.view().row_range(1, 1), problem.weights.view());
  check_finite(set, layer, observed.non_finite);
  const int64_t k = problem.weights.cols();
  problem.hessian = std::move(observed.hessian);
  problem.gptaq = std::move(observed.gptaq);
  if (in_.memory.hessian_on_host) problem.hessian_on_host = {DType::kF32, hessian_on_host_.view().data, k, k, k};
  if (measures(set, layer)) problem.held_hessian = held_[static_cast<size_t>(set)].hessian.view();
  problem.gptaq_strength = in_.options.gptaq;
  problem.damp = in_.options.damp;
  problem.grid = *set_plan(set, layer).grid;
  problem.lowest_zero = in_.plan.format == checkpoint::CheckpointFormat::kGptq ? 1 : 0;
  return problem;
}

void Pipeline::solve(int set, Layer& layer, Observed observed, const ModuleSink& on_module) {
  const auto start = std::chrono::steady_clock::now();
  const SetPlan& plan = set_plan(set, layer);
  if (!plan.grid) {
    check_finite(set, layer, observed.non_finite);
    return load_dense(set, layer, layer.weights, FiniteCheck::kRequired);
  }
  SolveProblem problem = make_problem(set, layer, observed);
  const int64_t rows = problem.weights.rows(), k = problem.weights.cols();
  const SolveResult solution = solve_linear_set(std::move(problem), in_.backend);

  int64_t first = 0;
  for (const LinearSpec& linear : plan.set.linears) {
    const int64_t n = linear.out_features;
    const std::string module = layer.prefix + linear.name;
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
    layer.weights.linear_sets[static_cast<size_t>(set)].push_back(in_.backend.load_exact(packed));
    in_.output.write(module, std::move(packed));

    ModuleReport report;
    report.name = module;
    report.bits = plan.grid->bits;
    report.group_size = plan.grid->group_size;
    report.error =
        measures(set, layer) ? ratio(solution.held_error, held_[static_cast<size_t>(set)].energy) : std::nan("");
    report.damp = solution.damp;
    report.method = solution.method;
    report.seconds = seconds_since(start) * static_cast<double>(n) / static_cast<double>(rows);
    report.bytes_in = static_cast<int64_t>(in_.checkpoint.tensor(module + ".weight").bytes());
    for (const checkpoint::TensorSpec& spec :
         checkpoint::packed_specs(module, k, n, report.bits, report.group_size, linear.bias)) {
      report.bytes_out += static_cast<int64_t>(spec.bytes());
    }
    on_module(report);
    first += n;
  }
}

Matrix Pipeline::load_stacked(int set, const Layer& layer) {
  const backend::LinearSet& linears = set_plan(set, layer).set;
  const int64_t k = linears.in_features();
  Matrix stacked = in_.backend.allocate(DType::kF32, linears.out_features(), k);
  int64_t first = 0;
  for (const LinearSpec& linear : linears.linears) {
    in_.backend.load(
        stacked.view().row_range(first, linear.out_features),
        model::find_matrix(in_.checkpoint, layer.prefix + linear.name + ".weight", linear.out_features, k));
    first += linear.out_features;
  }
  return stacked;
}

void Pipeline::load_dense(int set, const Layer& layer, model::LayerWeights& weights, FiniteCheck check) {
  for (const LinearSpec& linear : set_plan(set, layer).set.linears) {
    weights.linear_sets[static_cast<size_t>(set)].push_back(
        model::load_linear(in_.checkpoint, layer.prefix + linear.name, linear, in_.backend, check));
  }
}

void Pipeline::read_ahead(int64_t index) {
  for (int64_t layer = index; layer < std::min(index + 2, in_.architecture.layers); ++layer) {
    if (layer < layers_expected_) continue;
    layers_expected_ = layer + 1;
    const LayerPlan& plan = in_.plan.layers[static_cast<size_t>(layer)];
    for (const SetPlan& set : plan.sets) {
      for (const LinearSpec& linear : set.set.linears) reader_.prefetch(plan.prefix + linear.name + ".weight");
    }
  }
}

void Pipeline::replay_layer(int64_t index, const std::vector<PackedWeight>& linears) {
  Layer layer = open_layer(index);
  size_t next = 0;
  for (int set = 0; set < static_cast<int>(layer.program.linear_sets.size()); ++set) {
    const SetPlan& plan = set_plan(set, layer);
    if (!plan.grid) load_dense(set, layer, layer.weights, FiniteCheck::kRequired);
    for (size_t i = 0; plan.grid && i < plan.set.linears.size(); ++i) {
      layer.weights.linear_sets[static_cast<size_t>(set)].push_back(in_.backend.load_exact(linears[next++]));
    }
  }
  if (gptaq()) read_ahead(index);
  if (gptaq()) layer.original = model::load_layer(in_.checkpoint, in_.architecture, index, in_.backend);
  states_.for_each(0, states_.all(), CalibrationStates::Access::kUpdate, [&](const BatchState& b) {
    transformer_.run_layer(index, layer.weights, b.x, b.rows);
    if (b.original != nullptr) transformer_.run_layer(index, layer.original, *b.original, b.rows);
  });
  release_scratch();
}

Matrix Pipeline::zeros(int64_t rows, int64_t cols) {
  Matrix matrix = in_.backend.allocate(DType::kF32, rows, cols);
  in_.backend.clear(matrix.view());
  return matrix;
}

void Pipeline::release_scratch() {
  transformer_.release();
  states_.release();
}

void Pipeline::check_finite(int set, const Layer& layer, const Matrix& non_finite) const {
  const std::vector<float> flags = in_.backend.download(non_finite.view());
  const std::vector<LinearSpec>& linears = set_plan(set, layer).set.linears;
  if (flags[0] != 0.0f) {
    throw Error(ErrorKind::kNumerical, "running the calibration text: the input of " + layer.prefix + linears[0].name +
                                           " holds NaN or infinity (the first place where it happens); the model's "
                                           "weights overflow there, check them with another tool");
  }
  if (flags[1] == 0.0f) return;
  for (const LinearSpec& linear : linears) {  // names the one that is not finite
    model::load_matrix(in_.checkpoint, layer.prefix + linear.name + ".weight", linear.out_features, linear.in_features,
                       in_.backend);
  }
  throw Error(ErrorKind::kNumerical, "loading the weights of " + layer.prefix + linears[0].name +
                                         ": the device found NaN or infinity that are not in the file; run again, "
                                         "and test the device's memory if the error repeats");
}

}  // namespace gptq::quantization
