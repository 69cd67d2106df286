// One token for every sequence as a unit: what a backend that fuses a whole decode step is told, and how it is driven.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include <gptq/sampling.h>

#include "backend/matrix.h"

namespace gptq {

class Weight;

// Which rows of a cache hold a sequence: position j of sequence s is row pages[s][j / page_size]·page_size +
// j % page_size.
struct PageTable {
  MatrixView pages;  // I32 [S, P]
  int64_t page_size = 0;
};

struct StepLayer {
  MatrixView input_norm, post_attention_norm;        // F32 [1, E]
  MatrixView q_norm, k_norm;                         // F32 [1, D], empty without q/k norms
  std::array<std::vector<const Weight*>, 4> groups;  // q k v | o | gate up | down
  MatrixView keys, values;                           // the layer's cache
  int64_t window = 0;
};

// Everything a decode step reads. Views stay valid as long as the step lives.
struct StepModel {
  const Weight* embedding = nullptr;  // [V, E]
  const Weight* head = nullptr;       // [V, E]
  MatrixView final_norm;              // F32 [1, E]
  std::vector<StepLayer> layers;
  MatrixView cos, sin;  // F32 [positions, D/2]
  PageTable pages;      // of all sequences: B = pages.pages.rows
  float rms_norm_eps = 0;
  float attention_scale = 1;
  int heads = 0, kv_heads = 0, head_dim = 0;
  int vocabulary = 0;  // ids from here on are never chosen
};

// Where one sequence stands, and how its tokens are chosen.
struct StepSequence {
  int token = 0;     // what the next launch reads
  int position = 0;  // and the position it takes
  Sampling sampling = {};
  std::span<const int> seen = {};  // ids that the repetition penalty counts; chosen ones join them
};

// Tokens are chosen as `sample_token` does (backend/sampling/sample.h).
class DecodeRunner {
 public:
  virtual ~DecodeRunner() = default;
  // Starts all sequences anew, forgetting launches that were not taken.                                     [B]
  virtual void reset(std::span<const StepSequence> sequences) = 0;
  // Queues one token for every sequence, drawn at `uniforms` in [0, 1); a sequence at temperature 0 reads none, and
  // when all are, the span may be empty. Without another feed, the launch after it reads the tokens that this one
  // chose, at the positions behind. At most kMaxInFlight may be untaken.                                           [B]
  virtual void submit(std::span<const double> uniforms) = 0;
  // Tokens that the oldest launch not taken yet has chosen; waits for it. Throws Error(kNumerical)
  // where their logits were NaN or infinite.                                                                 [B]
  virtual std::vector<int> wait() = 0;
  // What the newest launch chose from, once it has been taken; valid until the next one.                  [B, V]
  virtual MatrixView logits() = 0;

  static constexpr int kMaxInFlight = 4;
};

}  // namespace gptq
