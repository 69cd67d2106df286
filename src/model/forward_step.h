// A decode step by the model's ordinary forward pass, sequence after sequence.
#pragma once

#include <deque>
#include <vector>

#include "model/model.h"

namespace gptq {

class ForwardStep final : public DecodeStep {
 public:
  ForwardStep(Model& model, KvCache& cache, Backend& backend, int vocabulary)
      : model_(model), cache_(cache), backend_(backend), vocabulary_(vocabulary) {}

  void feed(std::span<const int> tokens, std::span<const int> positions) override;
  void launch() override;
  std::vector<int> take() override;
  MatrixView logits() override { return logits_.view(); }

 private:
  Model& model_;
  KvCache& cache_;
  Backend& backend_;
  int vocabulary_;  // ids from here on are never chosen
  Matrix logits_;   // [B, V]
  std::vector<int> tokens_;
  std::deque<std::vector<int>> done_;
};

}  // namespace gptq
