// Layer after layer: run a stage for all calibration text, solve its input group, swap the weights, go on.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <gptq/quantize.h>

#include "backend/backend.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/read_ahead.h"
#include "checkpoint/write_behind.h"
#include "model/decoder.h"
#include "quantize/calibration.h"
#include "quantize/calibration_states.h"
#include "quantize/memory_plan.h"
#include "quantize/module_plan.h"
#include "quantize/solver.h"

namespace gptq {

struct PipelineInputs {
  const Checkpoint& checkpoint;
  const Architecture& architecture;
  const QuantizeOptions& options;
  const ModelPlan& plan;
  const Calibration& calibration;
  const MemoryPlan& memory;
  Backend& backend;
  WriteBehind& output;
};

// All batches go through a stage before its linears are solved: every sub-step sees quantized predecessors ("true
// sequential") and no Hessian is computed twice. Two residual streams flow when GPTAQ is on: the quantized model's and,
// beside it for half of the windows, the original's (its regression needs fewer samples than a Hessian). In memory at
// any time: the streams, one layer's weights, one group's matrices; the memory plan says where, and whether a stage's
// inputs are kept or computed again. Windows that are held apart flow with the quantized model's stream; the reported errors
// are measured on them. After an error the pipeline cannot go on; a new one replays the finished layers.
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
  void run_stage(int stage, int64_t index, LayerWeights& layer, LayerWeights& original, const StepSink& on_step,
                 const ModuleSink& on_module);
  void quantize_from_unquantized_layer(int64_t index, LayerWeights& layer, LayerWeights& original,
                                       const StepSink& on_step, const ModuleSink& on_module);
  // From the batch's residual stream, or the inputs that were kept, to the input of `stage`.
  void reach(int stage, int64_t index, const LayerWeights& layer, Activations& x);
  // `non_finite` [2, 1]: what Backend::find_non_finite says of the stage's inputs, and place for what it says of its
  // weights.
  void solve(int stage, int64_t index, LayerWeights& layer, const Matrix& non_finite, Matrix hessian,
             std::optional<GptaqTerms> gptaq, const ModuleSink& on_module);
  // To held_: the Hessian of a stage's inputs in the windows that are held apart, and the energy of its weights there.
  // `input_of` runs a batch up to the stage's input.
  using InputOf = std::function<MatrixView(Activations& x)>;
  void observe_held(int stage, int64_t index, const InputOf& input_of);
  bool measures(int stage, int64_t index) const {  // errors
    return states_.all() > states_.calibrating() && set_plan(stage, index).grid.has_value();
  }
  void check_finite(int stage, int64_t index, const Matrix& non_finite) const;
  Matrix zeros(int64_t rows, int64_t cols);
  // The group's weights, F32, one linear below the other.
  Matrix load_stacked(int stage, int64_t index);
  void load_dense(int stage, int64_t index, LayerWeights& layer, FiniteCheck check);
  void release_scratch();
  void read_ahead(int64_t index);  // this layer's weights and the next one's
  const SetPlan& set_plan(int stage, int64_t index) const {
    return in_.plan.layers[static_cast<size_t>(index)][static_cast<size_t>(stage)];
  }
  bool gptaq() const { return in_.options.gptaq > 0; }

  PipelineInputs in_;
  Decoder decoder_;
  CalibrationStates states_;
  Matrix hessian_on_host_;  // in a plan that moves it there
  struct Held {
    Matrix hessian;              // [K, K] in host memory
    std::vector<double> energy;  // [N]
  };
  std::array<Held, kLinearSets> held_;
  ReadAhead reader_;
  int64_t layers_expected_ = 0;  // of reader_: all before this one, from the first that was worked on
};

}  // namespace gptq
