// From logits to the next token.
#pragma once

#include <random>
#include <span>
#include <vector>

#include <gptq/engine.h>

namespace gptq {

// A chain of small steps in transformers' order: repetition penalty, temperature, top-k, top-p, min-p, draw.
// Deterministic for a seed: the generator and the arithmetic do not depend on the platform's library.
class Sampler {
 public:
  explicit Sampler(const Sampling& sampling);  // throws Error(kUsage) for values out of range

  // Always the most likely token, whatever came before.
  bool is_greedy() const { return sampling_.temperature == 0 && sampling_.repetition_penalty == 1.0f; }

  // `logits` [V] are changed; `seen` are the prompt's and the answer's tokens so far; ids at and above
  // `vocab_size` (padding of the model's table) are never chosen.
  TokenId sample(std::span<float> logits, std::span<const TokenId> seen, int vocab_size);

 private:
  Sampling sampling_;
  std::mt19937_64 random_;
};

}  // namespace gptq
