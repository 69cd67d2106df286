// Decoding without a fused step.
#include "model/eager_runner.h"

#include "backend/sampling/sample.h"

namespace gptq {

void EagerRunner::reset(std::span<const StepSequence> sequences) {
  CHECK(static_cast<int64_t>(sequences.size()) == cache_.sequences());
  tokens_.clear();
  sampling_.clear();
  seen_.clear();
  submitted_.clear();
  for (const StepSequence& sequence : sequences) {
    cache_.set_length(static_cast<int64_t>(tokens_.size()), sequence.position);
    tokens_.push_back(sequence.token);
    sampling_.push_back(sequence.sampling);
    seen_.emplace_back(sequence.seen.begin(), sequence.seen.end());
  }
}

void EagerRunner::submit(std::span<const double> uniforms) {
  CHECK(submitted_.size() < kMaxInFlight && (uniforms.empty() || uniforms.size() == tokens_.size()));
  submitted_.emplace_back(uniforms.begin(), uniforms.end());
  submitted_.back().resize(tokens_.size());
}

std::vector<int> EagerRunner::wait() {
  CHECK(!submitted_.empty());
  const std::vector<double> uniforms = std::move(submitted_.front());
  submitted_.pop_front();
  const int64_t batch = cache_.sequences(), vocabulary = model_.architecture().vocab_size;
  if (logits_.rows() != batch) logits_ = backend_.allocate(DType::kF32, batch, vocabulary);
  for (int64_t s = 0; s < batch; ++s) {
    backend_.copy(logits_.view().row_range(s, 1), model_.forward({&tokens_[static_cast<size_t>(s)], 1}, 1, cache_, s));
  }
  std::vector<float> logits = backend_.download(logits_.view());
  for (size_t s = 0; s < tokens_.size(); ++s) {
    const auto row = std::span(logits).subspan(s * static_cast<size_t>(vocabulary), static_cast<size_t>(vocabulary_));
    tokens_[s] = require_sampled(sample_token(row, seen_[s], sampling_[s], uniforms[s]));
    seen_[s].push_back(tokens_[s]);
  }
  return tokens_;
}

}  // namespace gptq
