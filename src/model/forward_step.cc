// Decoding without a fused step.
#include "model/forward_step.h"

#include <algorithm>

namespace gptq {

void ForwardStep::feed(std::span<const int> tokens, std::span<const int> positions) {
  done_.clear();
  tokens_.assign(tokens.begin(), tokens.end());
  for (size_t s = 0; s < positions.size(); ++s) cache_.set_length(static_cast<int64_t>(s), positions[s]);
}

void ForwardStep::launch() {
  const int64_t batch = cache_.sequences(), vocabulary = model_.architecture().vocab_size;
  if (logits_.rows() != batch) logits_ = backend_.allocate(DType::kF32, batch, vocabulary);
  for (int64_t s = 0; s < batch; ++s) {
    backend_.copy(logits_.view().row_range(s, 1), model_.forward({&tokens_[static_cast<size_t>(s)], 1}, 1, cache_, s));
  }
  const std::vector<float> logits = backend_.download(logits_.view());
  for (int64_t s = 0; s < batch; ++s) {
    const auto row = logits.begin() + s * vocabulary;
    tokens_[static_cast<size_t>(s)] = static_cast<int>(std::max_element(row, row + vocabulary_) - row);
  }
  done_.push_back(tokens_);
}

std::vector<int> ForwardStep::take() {
  std::vector<int> tokens = std::move(done_.front());
  done_.pop_front();
  return tokens;
}

}  // namespace gptq
