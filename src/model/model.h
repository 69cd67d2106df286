// A whole model ready to run: architecture, weights and the decoder over them.
#pragma once

#include <memory>
#include <span>

#include "backend/backend.h"
#include "checkpoint/checkpoint.h"
#include "model/decoder.h"

namespace gptq {

class Model {
 public:
  // Loads every weight, with `threads` (0 = all hardware threads). Errors as in families.h and weights.h.
  Model(const Checkpoint& checkpoint, Backend& backend, int threads = 0);
  Model(const Model&) = delete;  // the decoder refers to our architecture
  Model& operator=(const Model&) = delete;

  const Architecture& architecture() const { return architecture_; }
  KvCache make_cache(int64_t sequences, int64_t capacity) const;

  // Appends `tokens` to a cached sequence; logits of the last `wanted` tokens                   F32 [wanted, V]
  // The view is valid until the next call.
  MatrixView forward(std::span<const int> tokens, int64_t wanted, KvCache& cache, int64_t sequence = 0);

  // Decoding for all sequences of `cache`, as one unit where the backend has that, else by `forward`. The cache
  // must outlive it. Ids from `vocabulary` on (padding of the model's table) are never chosen.
  std::unique_ptr<DecodeRunner> make_decode_runner(KvCache& cache, int vocabulary);

  int64_t weight_bytes() const;  // read for one decoded token

 private:
  Backend& backend_;
  Architecture architecture_;
  ModelWeights weights_;
  Decoder decoder_;
  Activations activations_;
};

}  // namespace gptq
