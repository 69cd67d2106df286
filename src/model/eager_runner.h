// Decoding by the model's ordinary forward pass: one ragged batch of all sequences, run when its tokens are requested.
#pragma once

#include <deque>
#include <vector>

#include "model/model.h"

namespace gptq::model {

class EagerRunner final : public DecodeRunner {
 public:
  EagerRunner(Model& model, const KvCache& cache, Backend& backend, int vocabulary)
      : model_(model), cache_(cache), backend_(backend), vocabulary_(vocabulary) {}

  void reset(std::span<const backend::DecodeSequence> sequences) override;
  void submit(std::span<const double> uniforms) override;
  std::vector<int> wait() override;
  MatrixView logits() override { return logits_; }

 private:
  struct Sequence {
    int token = 0, position = 0;
    Sampling sampling;
    std::vector<int> seen;
    std::vector<int32_t> pages;
  };

  MatrixView run_batch();

  Model& model_;
  const KvCache& cache_;
  Backend& backend_;
  int vocabulary_;  // ids from here on are never sampled
  std::vector<Sequence> sequences_;
  std::deque<std::vector<double>> submitted_;  // the uniforms of each submission
  Matrix separate_;                            // logits of sequences run one by one
  MatrixView logits_;                          // [B, V]
};

}  // namespace gptq::model
