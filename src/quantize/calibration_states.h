// The residual streams of all calibration batches, on the device or in host memory, according to the memory plan.
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

// The input of a pass: the activations of one batch, and the sequences of its rows.
struct BatchState {
  model::Activations& x;         // of the quantized model
  model::Activations* original;  // of the original model; null for batches that are not paired
  const backend::BatchRows& rows;
};

// Two residual streams pass through the layers: the quantized model's and, for paired batches, the original's.
class CalibrationStates {
 public:
  CalibrationStates(const model::Architecture& architecture, backend::Backend& backend, const MemoryPlan& plan);

  // Adds a batch: the embeddings of its windows' tokens. Paired batches come first, held-out ones last.
  void add(std::span<const int> tokens, const WindowBatch& batch, model::Transformer& transformer,
           const backend::Weight& embedding);

  size_t paired() const { return paired_; }            // number of paired batches: the first ones
  size_t calibrating() const { return calibrating_; }  // those and the following ones used for calibration
  size_t all() const { return batches_.size(); }       // those and the held-out ones

  enum class Access { kRead, kUpdate };
  using Visitor = std::function<void(const BatchState& batch)>;

  // Calls visit for the batches [first, last) in order, with their residual streams on the device; the next batch is
  // fetched during the call. With kRead, visit must not modify the streams; with kUpdate they are stored after it. The
  // plan determines whether other activations are kept for the next pass.
  void for_each(size_t first, size_t last, Access access, const Visitor& visit);

  void release();  // frees the memory shared by passes; the next pass allocates it again

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
  // Device memory for one streamed batch.
  using DeviceBuffer = std::array<backend::Matrix, 2>;

  void fetch(const StoredBatch& batch, DeviceBuffer& buffer);
  model::Activations& enter(StoredBatch& batch, size_t stream, DeviceBuffer& buffer);

  const model::Architecture& a_;
  backend::Backend& backend_;
  MemoryPlan plan_;
  std::vector<StoredBatch> batches_;
  size_t paired_ = 0, calibrating_ = 0;
  std::array<model::Activations, 2> shared_;  // for activations that are not kept between passes
};

}  // namespace gptq::quantization
