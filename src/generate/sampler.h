// The random numbers of sampling: one uniform for each token of an answer.
#pragma once

#include <random>

#include <gptq/sampling.h>

namespace gptq::generate {

// The backend samples the tokens from these numbers and the logits (backend/sampling/sample.h).
// Deterministic for a seed: the numbers do not depend on the platform's library.
class Sampler {
 public:
  explicit Sampler(const Sampling& sampling);  // throws Error(kUsage) for values out of range

  const Sampling& sampling() const { return sampling_; }

  // The next token's, in [0, 1).
  double next_uniform() { return static_cast<double>(random_() >> 11) * 0x1p-53; }

 private:
  Sampling sampling_;
  std::mt19937_64 random_;
};

}  // namespace gptq::generate
