// Layer after layer: run all calibration text up to a linear set, solve it, swap the weights, go on.
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

// All batches run up to a linear set before its linears are solved: every set sees quantized predecessors ("true
// sequential") and no Hessian is computed twice. Two residual streams flow when GPTAQ is on: the quantized model's and,
// beside it for half of the windows, the original's (its regression needs fewer samples than a Hessian). In memory at
// any time: the streams, one layer's weights, one set's matrices; the memory plan says where, and whether what a set
// reads is kept or computed again. Windows that are held apart flow with the quantized model's stream; the reported
// errors are measured on them. After an error the pipeline cannot go on; a new one replays the finished layers.
class Pipeline {
 public:
  using ModuleSink = std::function<void(const ModuleReport&)>;
  // Fraction of the current layer's work that is done.
  using StepSink = std::function<void(double fraction, const std::string& what)>;

  explicit Pipeline(const PipelineInputs& inputs);

  // Embeds the calibration windows. Call once, first.
  void start();

  // Quantizes a layer, hands its tensors to the output, and leaves the streams at the next layer's input. Throws
  // Error(kNumerical) naming the first module whose input is not finite.
  void quantize_layer(int64_t index, const StepSink& on_step, const ModuleSink& on_module);

  // Runs a layer that an earlier run has quantized, from its packed tensors.
  void replay_layer(int64_t index, const std::vector<PackedWeight>& linears);

 private:
  // The layer that is worked on.
  struct Layer {
    int64_t index;
    const backend::LayerProgram& program;
    const std::string& prefix;
    model::LayerWeights weights, original;
  };

  Layer open_layer(int64_t index) const;
  void quantize_set(int set, Layer& layer, const StepSink& on_step, const ModuleSink& on_module);
  void quantize_from_unquantized_layer(Layer& layer, const StepSink& on_step, const ModuleSink& on_module);
  // Where a pass to the input of a set begins: in front of what the pass before has left, or at the last step that needs the
  // residual stream alone.
  int begin_of(const backend::LayerProgram& program, int set) const;
  // Runs a batch to the input of a set, which it returns.
  backend::MatrixView run_to(int set, const Layer& layer, const model::LayerWeights& weights, model::Activations& x,
                             const backend::BatchRows& rows);
  // Runs all batches on, from the set's input to where the pass to the next one begins.
  void advance(int set, Layer& layer, const std::function<void()>& on_batch);
  struct Observed {
    backend::Matrix hessian;
    std::optional<GptaqTerms> gptaq;
    backend::Matrix non_finite;  // [2, 1]: flag of the inputs, and of the weights, which solve() sets
  };
  Observed observe(int set, Layer& layer, const std::function<void()>& on_batch);
  void solve(int set, Layer& layer, Observed observed, const ModuleSink& on_module);
  SolveProblem make_problem(int set, const Layer& layer, Observed& observed);
  // To held_: the Hessian of a set's inputs in the windows that are held apart, and the energy of its weights there.
  // `input_of` runs a batch up to the set's input.
  using InputOf = std::function<backend::MatrixView(const BatchState& batch)>;
  void observe_held(int set, const Layer& layer, const InputOf& input_of);
  bool measures(int set, const Layer& layer) const {  // errors
    return states_.all() > states_.calibrating() && set_plan(set, layer).grid.has_value();
  }
  void check_finite(int set, const Layer& layer, const backend::Matrix& non_finite) const;
  backend::Matrix zeros(int64_t rows, int64_t cols);
  // The set's weights, F32, one linear below the other.
  backend::Matrix load_stacked(int set, const Layer& layer);
  void load_dense(int set, const Layer& layer, model::LayerWeights& weights, model::FiniteCheck check);
  void release_scratch();
  void read_ahead(int64_t index);  // this layer's weights and the next one's
  const SetPlan& set_plan(int set, const Layer& layer) const {
    return in_.plan.layers[static_cast<size_t>(layer.index)].sets[static_cast<size_t>(set)];
  }
  bool gptaq() const { return in_.options.gptaq > 0; }

  PipelineInputs in_;
  model::Transformer transformer_;
  CalibrationStates states_;
  backend::Matrix hessian_on_host_;  // in a plan that moves it there
  struct Held {
    backend::Matrix hessian;     // [K, K] in host memory
    std::vector<double> energy;  // [N]
  };
  std::vector<Held> held_;  // of each set of a layer
  checkpoint::ReadAhead reader_;
  int64_t layers_expected_ = 0;  // of reader_: all before this one, from the first that was worked on
};

}  // namespace gptq::quantization
