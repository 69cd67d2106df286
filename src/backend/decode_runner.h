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

// A layer's program with its parameters, weights and part of the cache.
struct DecodeLayer {
  const LayerProgram* program = nullptr;
  std::vector<MatrixView> parameters;  // F32 [1, size]
  std::vector<std::vector<const Weight*>> linear_sets;
  MatrixView keys, values;
};

// The inputs of a decode step. Views must stay valid during the lifetime of the runner.
struct DecodeModel {
  const Weight* embedding = nullptr;  // [V, E]
  float embedding_scale = 1;
  std::vector<DecodeLayer> layers;
  std::vector<RopeAngles> ropes;
  NormStep final_norm;
  std::vector<MatrixView> final_parameters;
  const Weight* head = nullptr;  // [V, E]
  float logit_soft_cap = 0;
  int64_t sequences = 1;  // maximum of B
  int64_t pages_per_sequence = 1, page_size = 1;
  int vocabulary = 0;  // ids from here on are never sampled
};

// The state of one sequence, and how its tokens are sampled.
struct DecodeSequence {
  int token = 0;     // input of the next submission
  int position = 0;  // its position
  Sampling sampling = {};
  std::span<const int> seen = {};       // ids to which the repetition penalty applies; sampled ids are added
  std::span<const int32_t> pages = {};  // of the cache: for all positions until the next reset
};

// Tokens are sampled as `sample_token` does (backend/sampling/sample.h).
class DecodeRunner {
 public:
  virtual ~DecodeRunner() = default;
  // Resets to these sequences, at most DecodeModel::sequences, and discards tokens still in flight.           [B]
  virtual void reset(std::span<const DecodeSequence> sequences) = 0;
  // Queues one token for every sequence. `uniforms` in [0, 1) select from the cumulative distributions; not read at
  // temperature 0, and the span may be empty if all sequences have temperature 0. Unless reset() is called, the input
  // of the next submission is the tokens sampled by this one. At most kMaxInFlight may be in flight.         [B]
  virtual void submit(std::span<const double> uniforms) = 0;
  // Tokens of the oldest submission in flight; blocks until it is done. Throws Error(kNumerical) if their
  // logits were NaN or infinite.                                                                             [B]
  virtual std::vector<int> wait() = 0;
  // Logits of the newest submission, after wait() for it; valid until the next submission.                [B, V]
  virtual MatrixView logits() = 0;

  static constexpr int kMaxInFlight = 4;
};

}  // namespace gptq::backend
