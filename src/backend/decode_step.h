// One token for every sequence as a unit: what a backend that fuses a whole decode step is told, and how it is driven.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "backend/matrix.h"

namespace gptq {

class Weight;

// Which rows of a cache hold a sequence: position j of sequence s is row pages[s][j / page_size]·page_size + j %
// page_size.
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

class DecodeStep {
 public:
  virtual ~DecodeStep() = default;
  // What the next launch reads, forgetting launches that were not taken: one token for each sequence and the position
  // it takes.                     [B], [B]
  virtual void feed(std::span<const int> tokens, std::span<const int> positions) = 0;
  // Queues one token for every sequence. Without another feed, the launch after it reads its most likely tokens, at
  // the positions behind.
  virtual void launch() = 0;
  // Most likely tokens of the oldest launch that was not taken yet; waits for it. At most kAhead may be untaken.  [B]
  virtual std::vector<int> take() = 0;
  // Logits of the newest launch, valid until the next one.                                                 [B, V]
  virtual MatrixView logits() = 0;

  static constexpr int kAhead = 4;
};

}  // namespace gptq
