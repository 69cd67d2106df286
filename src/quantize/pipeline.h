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
#include "quantize/memory_plan.h"
#include "quantize/module_plan.h"
#include "quantize/solver.h"
#include "quantize/streams.h"

namespace gptq {

struct PipelineInputs {
  const Checkpoint& checkpoint;
  const Architecture& architecture;
  const QuantizeOptions& options;
  const ModelPlan& plan;
  const Calibration& calibration;
  const MemoryPlan& memory;
  Backend& backend;
  CheckpointWriter& writer;
};

// All batches go through a stage before its linears are solved: every sub-step sees quantized predecessors ("true
// sequential") and no Hessian is computed twice. Two residual streams flow when GPTAQ is on: the quantized model's and,
// beside it for half of the windows, the original's (its regression needs fewer samples than a Hessian). In memory at
// any time: the streams, one layer's weights, one group's matrices; the memory plan says where, and whether a stage's
// inputs are kept or computed again. After an error the pipeline cannot go on; a new one replays the finished layers.
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
  void quantize_from_unquantized_layer(int64_t index, LayerWeights& layer, LayerWeights& original,
                                       const StepSink& on_step, const ModuleSink& on_module);
  // From the batch's residual stream, or the inputs that were kept, to the input of `stage`.
  void reach(int stage, int64_t index, const LayerWeights& layer, Activations& x);
  void solve(int stage, int64_t index, LayerWeights& layer, Matrix hessian, std::optional<GptaqTerms> gptaq,
             const ModuleSink& on_module);
  Matrix zeros(int64_t rows, int64_t cols);
  void load_dense(int stage, int64_t index, LayerWeights& layer);
  void release_scratch();
  void check_finite(int stage, int64_t index, const Matrix& found) const;  // found as Backend::find_non_finite left it
  bool gptaq() const { return in_.options.gptaq > 0; }

  PipelineInputs in_;
  Decoder decoder_;
  Streams streams_;
  Matrix hessian_on_host_;  // in a plan that moves it there
};

}  // namespace gptq
