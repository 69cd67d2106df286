// Parameters for sampling the next token from the model's logits.
#pragma once

#include <cstdint>

namespace gptq {

// Applied in the order of transformers: repetition penalty, temperature, top-k, top-p, min-p. The next token is then
// sampled from the remaining ones.
struct Sampling {
  float temperature = 0.0f;         // 0 = greedy: always the most likely token
  int top_k = 0;                    // keep the k most likely tokens; 0 = all
  float top_p = 1.0f;               // keep the smallest set of tokens with this total probability; 1 = all
  float min_p = 0.0f;               // drop tokens less likely than this fraction of the highest probability
  float repetition_penalty = 1.0f;  // divides positive and multiplies negative logits of earlier tokens; 1 = off
  uint64_t seed = 0;                // the same seed, prompt and device reproduce the same text
};

}  // namespace gptq
