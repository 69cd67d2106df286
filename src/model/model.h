// A loaded model: architecture, weights and the interpreter.
#pragma once

#include <memory>
#include <span>

#include "backend/backend.h"
#include "checkpoint/checkpoint.h"
#include "model/transformer.h"

namespace gptq::model {

class Model {
 public:
  // Loads every weight, with `threads` (0 = all hardware threads). Errors as in families.h and weights.h.
  Model(const Checkpoint& checkpoint, Backend& backend, int threads = 0);
  Model(const Model&) = delete;  // the interpreter refers to architecture_
  Model& operator=(const Model&) = delete;

  const Architecture& architecture() const { return architecture_; }
  KvCache make_cache(int64_t pages) const { return {architecture_, backend_, pages}; }

  // Runs a batch whose sequences have pages of `cache`, and stores their new keys and values there. Returns the logits
  // of `rows`, which are in ascending order; valid until the next call.                     F32 [rows.size(), V]
  MatrixView forward(Batch& batch, std::span<const int> rows, const KvCache& cache);

  // Decodes `sequences` sequences of up to `positions` positions each, by the backend's fused decoder if it has one,
  // else by `forward`. The cache must outlive it, and no context of more positions may run during its lifetime. Ids
  // from `vocabulary` on (padding of the embedding table) are never sampled.
  std::unique_ptr<DecodeRunner> make_decode_runner(const KvCache& cache, int64_t sequences, int64_t positions,
                                                   int vocabulary);

  int64_t weight_bytes() const;  // bytes of weights read for one decoded token

 private:
  Backend& backend_;
  Architecture architecture_;
  ModelWeights weights_;
  Transformer transformer_;
  Activations activations_;
};

}  // namespace gptq::model
