// Layer after layer: run a stage for all calibration text, solve its input group, swap the weights, go on.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <gptq/quantize.h>

#include "backend/backend.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/writer.h"
#include "model/decoder.h"
#include "quantize/calibration.h"
#include "quantize/module_plan.h"
#include "quantize/solver.h"

namespace gptq {

struct PipelineInputs {
  const Checkpoint& checkpoint;
  const Architecture& architecture;
  const QuantizeOptions& options;
  const ModelPlan& plan;
  const Calibration& calibration;
  Backend& backend;
  CheckpointWriter& writer;
};

// The stages of one layer are run once each: every sub-step sees quantized predecessors ("true sequential") and
// no Hessian is computed twice. Two residual streams flow when GPTAQ is on: the quantized model's and, beside it
// for half of the windows, the original's (its regression needs fewer samples than a Hessian). In memory at any time:
// the streams, one layer's weights, one group's matrices.
class Pipeline {
 public:
  using ModuleSink = std::function<void(const ModuleReport&)>;
  // Fraction of the current layer's work that is done.
  using StepSink = std::function<void(double fraction, const std::string& what)>;

  explicit Pipeline(const PipelineInputs& inputs);

  // Embeds the calibration windows. Call once, first.
  void start();

  // Quantizes a layer, writes its tensors, and leaves the streams at the next layer's input. Throws
  // Error(kNumerical) naming the first module whose input is not finite.
  void quantize_layer(int64_t index, const StepSink& on_step, const ModuleSink& on_module);

  // Runs a layer that an earlier run has quantized, from its packed tensors.
  void replay_layer(int64_t index, const std::vector<PackedWeight>& linears);

 private:
  void run_stage(int stage, int64_t index, LayerWeights& layer, LayerWeights& original, const StepSink& on_step,
                 const ModuleSink& on_module);
  void solve(int stage, int64_t index, LayerWeights& layer, const Matrix& hessian,
             const std::optional<GptaqTerms>& gptaq, const ModuleSink& on_module);
  Matrix zeros(int64_t size);  // [size, size]
  void load_dense(int stage, int64_t index, LayerWeights& layer);
  void check_finite(int stage, int64_t index, MatrixView input) const;
  bool gptaq() const { return in_.options.gptaq > 0; }

  PipelineInputs in_;
  Decoder decoder_;
  std::vector<Activations> quantized_;                // one a batch: the quantized model's stream
  std::vector<std::optional<Activations>> original_;  // the original model's beside it, where it is followed
};

}  // namespace gptq
