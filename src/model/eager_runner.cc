// Decoding by ordinary forward passes.
#include "model/eager_runner.h"

#include "backend/sampling/sample.h"

namespace gptq::model {

void EagerRunner::reset(std::span<const backend::DecodeSequence> sequences) {
  sequences_.clear();
  submitted_.clear();
  for (const backend::DecodeSequence& s : sequences) {
    sequences_.push_back(
        {s.token, s.position, s.sampling, {s.seen.begin(), s.seen.end()}, {s.pages.begin(), s.pages.end()}});
  }
}

void EagerRunner::submit(std::span<const double> uniforms) {
  CHECK(submitted_.size() < kMaxInFlight && (uniforms.empty() || uniforms.size() == sequences_.size()));
  submitted_.emplace_back(uniforms.begin(), uniforms.end());
  submitted_.back().resize(sequences_.size());
}

std::vector<int> EagerRunner::wait() {
  CHECK(!submitted_.empty());
  const std::vector<double> uniforms = std::move(submitted_.front());
  submitted_.pop_front();
  logits_ = run_batch();
  const size_t columns = static_cast<size_t>(model_.architecture().vocab_size);
  std::vector<float> logits = backend_.download(logits_);
  std::vector<int> tokens;
  for (size_t s = 0; s < sequences_.size(); ++s) {
    Sequence& sequence = sequences_[s];
    const auto row = std::span(logits).subspan(s * columns, static_cast<size_t>(vocabulary_));
    sequence.token =
        backend::require_sampled(backend::sample_token(row, sequence.seen, sequence.sampling, uniforms[s]));
    sequence.seen.push_back(sequence.token);
    ++sequence.position;
    tokens.push_back(sequence.token);
  }
  return tokens;
}

// Logits of the next token of every sequence                                                            [B, V]
MatrixView EagerRunner::run_batch() {
  const int64_t count = static_cast<int64_t>(sequences_.size());
  if (!model_.architecture().depends_on_length()) {
    Batch batch;
    std::vector<int> rows;
    for (const Sequence& sequence : sequences_) {
      rows.push_back(static_cast<int>(rows.size()));
      batch.add({&sequence.token, 1}, sequence.position, sequence.pages);
    }
    return model_.forward(batch, rows, cache_);
  }
  if (separate_.rows() != count) {
    separate_ = backend_.allocate(DType::kF32, count, model_.architecture().vocab_size);
  }
  for (int64_t s = 0; s < count; ++s) {
    const Sequence& sequence = sequences_[static_cast<size_t>(s)];
    const int first = 0;
    Batch batch;
    batch.add({&sequence.token, 1}, sequence.position, sequence.pages);
    backend_.copy(separate_.view().row_range(s, 1), model_.forward(batch, {&first, 1}, cache_));
  }
  return separate_.view();
}

}  // namespace gptq::model
