// Interface of a fused decode step, one token for each of several sequences: model, reset, submit, wait.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <gptq/sampling.h>

#include "backend/layer_program.h"
#include "backend/matrix.h"

namespace gptq::backend {

class Weight;

// F32 [positions, rotary_dim / 2]
struct RopeAngles {
  MatrixView cos, sin;
};

// A layer's program with what its steps name, and its part of the cache.
struct DecodeLayer {
  const LayerProgram* program = nullptr;
  std::vector<MatrixView> parameters;  // F32 [1, size]
  std::vector<std::vector<const Weight*>> linear_sets;
  MatrixView keys, values;
};

// Everything a decode step reads. Views stay valid as long as the runner lives.
struct DecodeModel {
  const Weight* embedding = nullptr;  // [V, E]
  float embedding_scale = 1;
  std::vector<DecodeLayer> layers;
  std::vector<RopeAngles> ropes;
  NormStep final_norm;
  std::vector<MatrixView> final_parameters;
  const Weight* head = nullptr;  // [V, E]
  float logit_soft_cap = 0;
  int64_t sequences = 1;  // B, at most
  int64_t pages_per_sequence = 1, page_size = 1;
  int vocabulary = 0;  // ids from here on are never sampled
};

// Where one sequence stands, and how its tokens are sampled.
struct DecodeSequence {
  int token = 0;     // what the next submission reads
  int position = 0;  // and the position it takes
  Sampling sampling = {};
  std::span<const int> seen = {};       // ids that the repetition penalty counts; sampled ones join them
  std::span<const int32_t> pages = {};  // of the cache: all positions that will be submitted until the next reset
};

// Tokens are sampled as `sample_token` does (backend/sampling/sample.h).
class DecodeRunner {
 public:
  virtual ~DecodeRunner() = default;
  // Resets to these sequences, at most DecodeModel::sequences, and discards tokens still in flight.           [B]
  virtual void reset(std::span<const DecodeSequence> sequences) = 0;
  // Queues one token for every sequence. `uniforms` in [0, 1) select from the cumulative distributions; a sequence at
  // temperature 0 reads none, and when all are, the span may be empty. Without another reset, the submission after it
  // reads the tokens that this one sampled, at the next positions. At most kMaxInFlight may be in flight.    [B]
  virtual void submit(std::span<const double> uniforms) = 0;
  // Tokens of the oldest submission in flight; blocks until they are there. Throws Error(kNumerical)
  // where their logits were NaN or infinite.                                                                 [B]
  virtual std::vector<int> wait() = 0;
  // What the newest submission sampled from, once waited for; valid until the next one.                   [B, V]
  virtual MatrixView logits() = 0;

  static constexpr int kMaxInFlight = 4;
};

}  // namespace gptq::backend
