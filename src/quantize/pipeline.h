// For each layer: run all calibration text up to a linear set, solve it, replace its weights, continue.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <gptq/quantize.h>

#include "backend/backend.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/read_ahead.h"
#include "checkpoint/write_behind.h"
#include "model/transformer.h"
#include "quantize/calibration.h"
#include "quantize/calibration_states.h"
#include "quantize/memory_plan.h"
#include "quantize/module_plan.h"
#include "quantize/solver.h"

namespace gptq::quantization {

struct PipelineInputs {
  const checkpoint::Checkpoint& checkpoint;
  const model::Architecture& architecture;
  const QuantizeOptions& options;
  const ModelPlan& plan;
  const Calibration& calibration;
  const MemoryPlan& memory;
  backend::Backend& backend;
  checkpoint::WriteBehind& output;
};

// All batches run up to a linear set before its linears are solved: the inputs of every set are those of quantized
// predecessors ("true sequential"), and no Hessian is computed twice. With GPTAQ there are two residual streams: the
// quantized model's and, for half of the windows, the original's (the regression needs fewer samples than a Hessian).
// In memory at any time: the streams, one layer's weights, one set's matrices; the memory plan determines where, and
// whether the inputs of a set are kept or recomputed. Held-out windows are part of the quantized model's stream; the
// reported errors are measured on them. After an error the pipeline is unusable; a new one replays the finished layers.
class Pipeline {
 public:
  using ModuleSink = std::function<void(const ModuleReport&)>;
  // Called with the completed fraction of the current layer.
  using StepSink = std::function<void(double fraction, const std::string& what)>;

  explicit Pipeline(const PipelineInputs& inputs);

  // Embeds the calibration windows. Call once, first.
  void start();

  // Quantizes a layer, passes its tensors to the output, and advances the streams to the next layer's input. Throws
  // Error(kNumerical) naming the first module whose input is not finite.
  void quantize_layer(int64_t index, const StepSink& on_step, const ModuleSink& on_module);

  // Runs a layer that an earlier run quantized, from its packed tensors.
  void replay_layer(int64_t index, const std::vector<PackedWeight>& linears);

 private:
  // The current layer.
  struct Layer {
    int64_t index;
    const backend::LayerProgram& program;
    const std::string& prefix;
    model::LayerWeights weights, original;
  };

  Layer open_layer(int64_t index) const;
  void quantize_set(int set, Layer& layer, const StepSink& on_step, const ModuleSink& on_module);
  void quantize_from_unquantized_layer(Layer& layer, const StepSink& on_step, const ModuleSink& on_module);
  // The step at which a pass to the input of a set begins: the set's own step if the previous pass kept its inputs,
  // otherwise the last step that needs only the residual stream.
  int begin_of(const backend::LayerProgram& program, int set) const;
  // Runs a batch to the input of a set and returns that input.
  backend::MatrixView run_to(int set, const Layer& layer, const model::LayerWeights& weights, model::Activations& x,
                             const backend::BatchRows& rows);
  // Runs all batches from the set's input to the first step of the pass to the next set.
  void advance(int set, Layer& layer, const std::function<void()>& on_batch);
  struct Observed {
    backend::Matrix hessian;
    std::optional<GptaqTerms> gptaq;
    backend::Matrix non_finite;  // [2, 1]: flags of the inputs and of the weights, the latter set by solve()
  };
  Observed observe(int set, Layer& layer, const std::function<void()>& on_batch);
  void solve(int set, Layer& layer, Observed observed, const ModuleSink& on_module);
  SolveProblem make_problem(int set, const Layer& layer, Observed& observed);
  // Stores in held_ the Hessian of a set's inputs in the held-out windows, and the energy of its weights there.
  // `input_of` runs a batch up to the set's input.
  using InputOf = std::function<backend::MatrixView(const BatchState& batch)>;
  void observe_held(int set, const Layer& layer, const InputOf& input_of);
  bool measures(int set, const Layer& layer) const {  // whether errors of the set are measured
    return states_.all() > states_.calibrating() && set_plan(set, layer).grid.has_value();
  }
  void check_finite(int set, const Layer& layer, const backend::Matrix& non_finite) const;
  backend::Matrix zeros(int64_t rows, int64_t cols);
  // The set's weights, F32, stacked by linear.
  backend::Matrix load_stacked(int set, const Layer& layer);
  void load_dense(int set, const Layer& layer, model::LayerWeights& weights, model::FiniteCheck check);
  void release_scratch();
  void read_ahead(int64_t index);  // reads this layer's weights and the next one's
  const SetPlan& set_plan(int set, const Layer& layer) const {
    return in_.plan.layers[static_cast<size_t>(layer.index)].sets[static_cast<size_t>(set)];
  }
  bool gptaq() const { return in_.options.gptaq > 0; }

  PipelineInputs in_;
  model::Transformer transformer_;
  CalibrationStates states_;
  backend::Matrix hessian_on_host_;  // if the plan moves it there
  struct Held {
    backend::Matrix hessian;     // [K, K] in host memory
    std::vector<double> energy;  // [N]
  };
  std::vector<Held> held_;  // of each set of a layer
  checkpoint::ReadAhead reader_;
  int64_t layers_expected_ = 0;  // layers before this one have been passed to reader_
};

}  // namespace gptq::quantization
