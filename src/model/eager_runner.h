// A decode step by the model's ordinary forward pass, sequence after sequence, when its tokens are taken.
#pragma once

#include <deque>
#include <vector>

#include "model/model.h"

namespace gptq {

class EagerRunner final : public DecodeRunner {
 public:
  EagerRunner(Model& model, KvCache& cache, Backend& backend, int vocabulary)
      : model_(model), cache_(cache), backend_(backend), vocabulary_(vocabulary) {}

  void reset(std::span<const StepSequence> sequences) override;
  void submit(std::span<const double> uniforms) override;
  std::vector<int> wait() override;
  MatrixView logits() override { return logits_.view(); }

 private:
  Model& model_;
  KvCache& cache_;
  Backend& backend_;
  int vocabulary_;  // ids from here on are never chosen
  Matrix logits_;   // [B, V]
  std::vector<int> tokens_;
  std::vector<Sampling> sampling_;
  std::vector<std::vector<int>> seen_;
  std::deque<std::vector<double>> submitted_;  // the uniforms of each launch
};

}  // namespace gptq
