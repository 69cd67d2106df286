// Decoding without a fused step.
#include "model/forward_step.h"

#include "backend/choose.h"

namespace gptq {

void ForwardStep::feed(std::span<const StepSequence> sequences) {
  CHECK(static_cast<int64_t>(sequences.size()) == cache_.sequences());
  tokens_.clear();
  sampling_.clear();
  seen_.clear();
  launched_.clear();
  for (const StepSequence& sequence : sequences) {
    cache_.set_length(static_cast<int64_t>(tokens_.size()), sequence.position);
    tokens_.push_back(sequence.token);
    sampling_.push_back(sequence.sampling);
    seen_.emplace_back(sequence.seen.begin(), sequence.seen.end());
  }
}

void ForwardStep::launch(std::span<const double> points) {
  CHECK(launched_.size() < kAhead && (points.empty() || points.size() == tokens_.size()));
  launched_.emplace_back(points.begin(), points.end());
  launched_.back().resize(tokens_.size());
}

std::vector<int> ForwardStep::take() {
  CHECK(!launched_.empty());
  const std::vector<double> points = std::move(launched_.front());
  launched_.pop_front();
  const int64_t batch = cache_.sequences(), vocabulary = model_.architecture().vocab_size;
  if (logits_.rows() != batch) logits_ = backend_.allocate(DType::kF32, batch, vocabulary);
  for (int64_t s = 0; s < batch; ++s) {
    backend_.copy(logits_.view().row_range(s, 1), model_.forward({&tokens_[static_cast<size_t>(s)], 1}, 1, cache_, s));
  }
  std::vector<float> logits = backend_.download(logits_.view());
  for (size_t s = 0; s < tokens_.size(); ++s) {
    const auto row = std::span(logits).subspan(s * static_cast<size_t>(vocabulary), static_cast<size_t>(vocabulary_));
    tokens_[s] = require_token(choose_token(row, seen_[s], sampling_[s], points[s]));
    seen_[s].push_back(tokens_[s]);
  }
  return tokens_;
}

}  // namespace gptq
