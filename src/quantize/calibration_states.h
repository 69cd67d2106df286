// The residual streams of all calibration batches, on the device or in host memory as the plan says.
#pragma once

#include <array>
#include <functional>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "model/architecture.h"
#include "model/decoder.h"
#include "quantize/batches.h"
#include "quantize/memory_plan.h"

namespace gptq {

// Two streams flow through the layers: the quantized model's and, beside it for paired batches, the original's.
class CalibrationStates {
 public:
  CalibrationStates(const Architecture& architecture, Backend& backend, const MemoryPlan& plan);

  // Embeds the tokens [S·T] of the batch's S windows as the next one. Followed batches come first, held ones last.
  void add(std::span<const int> tokens, const Batch& batch, const Weight& embedding);

  size_t paired() const { return paired_; }            // batches: the first ones
  size_t calibrating() const { return calibrating_; }  // these, and those behind them that calibrate
  size_t all() const { return batches_.size(); }       // these, and the held ones

  enum class Access { kRead, kUpdate };
  // `original` is null for batches that are not paired.
  using Visitor = std::function<void(Activations& x, Activations* original)>;

  // Calls body for the batches [first, last), one after the other, with `hidden` on the device; while one is worked on
  // the next one comes and the one before goes back. With kRead, `hidden` must stay as it is. `input` is the body's:
  // the plan says whether it is still there in the next pass.
  void for_each(size_t first, size_t last, Access access, const Visitor& body);

  void release();  // memory that passes share; the next one makes it again

 private:
  struct Stream {
    Matrix hidden;  // F32 [M, E]
    Activations kept;
  };
  struct StoredBatch {
    std::vector<Stream> streams;  // the quantized model's, the original's
    int64_t windows = 0;
    bool resident = true;
  };
  // Device memory for one batch of streamed ones.
  using DeviceBuffer = std::array<Matrix, 2>;

  void fetch(const StoredBatch& batch, DeviceBuffer& window);
  Activations& enter(StoredBatch& batch, size_t stream, DeviceBuffer& window);

  const Architecture& a_;
  Backend& backend_;
  MemoryPlan plan_;
  std::vector<StoredBatch> batches_;
  size_t paired_ = 0, calibrating_ = 0;
  std::array<Activations, 2> shared_;  // with inputs that no pass keeps
};

}  // namespace gptq
