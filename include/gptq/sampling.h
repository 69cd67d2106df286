// How the next token is taken from the model's logits.
#pragma once

#include <cstdint>

namespace gptq {

// Processing order as in transformers: repetition penalty, temperature, top-k, top-p, min-p, then the draw.
struct Sampling {
  float temperature = 0.0f;         // 0 = greedy: always the most likely token
  int top_k = 0;                    // keep the k most likely tokens; 0 = all
  float top_p = 1.0f;               // keep the smallest set with this total probability; 1 = all
  float min_p = 0.0f;               // drop tokens below this share of the best one's probability; 0 = none
  float repetition_penalty = 1.0f;  // divides positive and multiplies negative logits of tokens already seen
  uint64_t seed = 0;                // same seed, same prompt, same device: same text
};

}  // namespace gptq
