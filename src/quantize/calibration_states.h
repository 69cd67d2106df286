// The residual streams of all calibration batches, on the device or in host memory as the plan says.
#pragma once

#include <array>
#include <functional>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "model/architecture.h"
#include "model/batch.h"
#include "model/transformer.h"
#include "quantize/batches.h"
#include "quantize/memory_plan.h"

namespace gptq::quantization {

// What a pass works on: the activations of one batch, and where its rows stand.
struct BatchState {
  model::Activations& x;         // of the quantized model
  model::Activations* original;  // of the original model; null for batches that are not paired
  const backend::BatchRows& rows;
};

// Two residual streams flow through the layers: the quantized model's and, beside it for paired batches, the original's.
class CalibrationStates {
 public:
  CalibrationStates(const model::Architecture& architecture, backend::Backend& backend, const MemoryPlan& plan);

  // Takes the residual stream of the batch's windows, made from their tokens. Paired batches come first, held ones last.
  void add(std::span<const int> tokens, const WindowBatch& batch, model::Transformer& transformer,
           const backend::Weight& embedding);

  size_t paired() const { return paired_; }            // batches: the first ones
  size_t calibrating() const { return calibrating_; }  // these, and those behind them that calibrate
  size_t all() const { return batches_.size(); }       // these, and the held ones

  enum class Access { kRead, kUpdate };
  using Visitor = std::function<void(const BatchState& batch)>;

  // Calls visit for the batches [first, last), one after the other, with their residual streams on the device; while one is
  // worked on the next one comes and the one before goes back. With kRead, the streams must stay as they are. The plan
  // says whether other activations are still there in the next pass.
  void for_each(size_t first, size_t last, Access access, const Visitor& visit);

  void release();  // memory that passes share; the next one makes it again

 private:
  struct Stream {
    backend::Matrix residual;  // F32 [M, E]
    model::Activations kept;
  };
  struct StoredBatch {
    std::vector<Stream> streams;  // the quantized model's, the original's
    model::Batch batch;
    bool resident = true;
  };
  // Device memory for one batch of streamed ones.
  using DeviceBuffer = std::array<backend::Matrix, 2>;

  void fetch(const StoredBatch& batch, DeviceBuffer& buffer);
  model::Activations& enter(StoredBatch& batch, size_t stream, DeviceBuffer& buffer);

  const model::Architecture& a_;
  backend::Backend& backend_;
  MemoryPlan plan_;
  std::vector<StoredBatch> batches_;
  size_t paired_ = 0, calibrating_ = 0;
  std::array<model::Activations, 2> shared_;  // with activations that no pass keeps
};

}  // namespace gptq::quantization
