// CalibrationStates that stay, and streams that come and go two batches deep.
#include "quantize/calibration_states.h"

#include <algorithm>

namespace gptq {

CalibrationStates::CalibrationStates(const Architecture& architecture, Backend& backend, const MemoryPlan& plan)
    : a_(architecture), backend_(backend), plan_(plan) {}

void CalibrationStates::add(std::span<const int> tokens, const Batch& added, const Weight& embedding) {
  const int64_t rows = static_cast<int64_t>(tokens.size());
  const int64_t widest = std::max({a_.hidden_size, a_.heads * a_.head_dim, a_.intermediate_size});
  CHECK(!added.paired || paired_ == batches_.size());
  CHECK(added.held || calibrating_ == batches_.size());
  StoredBatch batch;
  batch.windows = static_cast<int64_t>(added.windows.size());
  batch.resident = static_cast<int64_t>(batches_.size()) < plan_.resident_batches;
  batch.streams.resize(added.paired ? 2 : 1);
  Matrix embedded = backend_.allocate(DType::kF32, rows, a_.hidden_size);
  backend_.embed(embedded.view(), tokens, embedding);
  for (Stream& stream : batch.streams) {
    if (batch.resident) {
      stream.hidden = backend_.allocate(DType::kF32, rows, a_.hidden_size);
      backend_.copy(stream.hidden.view(), embedded.view());
    } else {
      stream.hidden = backend_.allocate_host(DType::kF32, rows, a_.hidden_size);
      backend_.store(stream.hidden.view(), embedded.view());
    }
    if (plan_.keep_inputs) stream.kept.input_memory = backend_.allocate(backend_.activation_dtype(), rows, widest);
  }
  if (added.paired) ++paired_;
  if (!added.held) ++calibrating_;
  batches_.push_back(std::move(batch));
}

void CalibrationStates::for_each(size_t first, size_t last, Access access, const Visitor& body) {
  std::array<DeviceBuffer, 2> windows;
  if (first < last) fetch(batches_[first], windows[first % 2]);
  for (size_t b = first; b < last; ++b) {
    StoredBatch& batch = batches_[b];
    DeviceBuffer& window = windows[b % 2];
    backend_.await_fetches();
    if (b + 1 < last) fetch(batches_[b + 1], windows[(b + 1) % 2]);
    Activations& x = enter(batch, 0, window);
    body(x, batch.streams.size() > 1 ? &enter(batch, 1, window) : nullptr);
    if (access == Access::kRead || batch.resident) continue;
    for (size_t s = 0; s < batch.streams.size(); ++s) {
      backend_.store(batch.streams[s].hidden.view(), window[s].view().row_range(0, batch.streams[s].hidden.rows()));
    }
  }
}

void CalibrationStates::fetch(const StoredBatch& batch, DeviceBuffer& window) {
  if (batch.resident) return;
  for (size_t s = 0; s < batch.streams.size(); ++s) {
    const MatrixView host = batch.streams[s].hidden.view();
    if (window[s].rows() < host.rows) {
      window[s] = {};
      window[s] = backend_.allocate(DType::kF32, host.rows, host.cols);
    }
    backend_.fetch(window[s].view().row_range(0, host.rows), host);
  }
}

Activations& CalibrationStates::enter(StoredBatch& batch, size_t stream, DeviceBuffer& window) {
  Stream& from = batch.streams[stream];
  Activations& x = plan_.keep_inputs ? from.kept : shared_[stream];
  const int64_t rows = from.hidden.rows();
  x.hidden = batch.resident ? from.hidden.view() : window[stream].view().row_range(0, rows);
  x.sequences = batch.windows;
  x.length = rows / batch.windows;
  return x;
}

void CalibrationStates::release() {
  for (Activations& x : shared_) x = {};
}

}  // namespace gptq
