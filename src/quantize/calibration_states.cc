// Calibration states on the device, and residual streams transferred from and to host memory, double-buffered.
#include "quantize/calibration_states.h"

#include <algorithm>

namespace gptq::quantization {

using model::Activations;

CalibrationStates::CalibrationStates(const model::Architecture& architecture, backend::Backend& backend,
                                     const MemoryPlan& plan)
    : a_(architecture), backend_(backend), plan_(plan) {}

void CalibrationStates::add(std::span<const int> tokens, const WindowBatch& added, model::Transformer& transformer,
                            const backend::Weight& embedding) {
  const int64_t rows = static_cast<int64_t>(tokens.size());
  CHECK(!added.paired || paired_ == batches_.size());
  CHECK(added.held || calibrating_ == batches_.size());
  StoredBatch stored;
  for (size_t window = 0; window < added.windows.size(); ++window) {
    const size_t length = static_cast<size_t>(added.length);
    stored.batch.add(tokens.subspan(window * length, length));
  }
  stored.batch.upload(backend_);
  stored.resident = static_cast<int64_t>(batches_.size()) < plan_.resident_batches;
  stored.streams.resize(added.paired ? 2 : 1);
  const backend::Matrix embedded = backend_.allocate(DType::kF32, rows, a_.hidden_size);
  transformer.embed(embedded.view(), tokens, embedding);
  for (Stream& stream : stored.streams) {
    if (stored.resident) {
      stream.residual = backend_.allocate(DType::kF32, rows, a_.hidden_size);
      backend_.copy(stream.residual.view(), embedded.view());
    } else {
      stream.residual = backend_.allocate_host(DType::kF32, rows, a_.hidden_size);
      backend_.store(stream.residual.view(), embedded.view());
    }
    if (plan_.keep_inputs) transformer.reserve(stream.kept, rows);
  }
  if (added.paired) ++paired_;
  if (!added.held) ++calibrating_;
  batches_.push_back(std::move(stored));
}

void CalibrationStates::for_each(size_t first, size_t last, Access access, const Visitor& visit) {
  std::array<DeviceBuffer, 2> buffers;
  if (first < last) fetch(batches_[first], buffers[first % 2]);
  for (size_t b = first; b < last; ++b) {
    StoredBatch& stored = batches_[b];
    DeviceBuffer& buffer = buffers[b % 2];
    backend_.await_fetches();
    if (b + 1 < last) fetch(batches_[b + 1], buffers[(b + 1) % 2]);
    Activations& x = enter(stored, 0, buffer);
    visit({x, stored.streams.size() > 1 ? &enter(stored, 1, buffer) : nullptr, stored.batch.rows()});
    if (access == Access::kRead || stored.resident) continue;
    for (size_t s = 0; s < stored.streams.size(); ++s) {
      const backend::Matrix& host = stored.streams[s].residual;
      backend_.store(host.view(), buffer[s].view().row_range(0, host.rows()));
    }
  }
}

void CalibrationStates::fetch(const StoredBatch& batch, DeviceBuffer& buffer) {
  if (batch.resident) return;
  for (size_t s = 0; s < batch.streams.size(); ++s) {
    const backend::MatrixView host = batch.streams[s].residual.view();
    if (buffer[s].rows() < host.rows) {
      buffer[s] = {};
      buffer[s] = backend_.allocate(DType::kF32, host.rows, host.cols);
    }
    backend_.fetch(buffer[s].view().row_range(0, host.rows), host);
  }
}

Activations& CalibrationStates::enter(StoredBatch& batch, size_t stream, DeviceBuffer& buffer) {
  Stream& from = batch.streams[stream];
  Activations& x = plan_.keep_inputs ? from.kept : shared_[stream];
  x.residual = batch.resident ? from.residual.view() : buffer[stream].view().row_range(0, from.residual.rows());
  return x;
}

void CalibrationStates::release() {
  for (Activations& x : shared_) x = {};
}

}  // namespace gptq::quantization
