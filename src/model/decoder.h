// The one forward pass: a decoder layer as four stages that generation and calibration both run.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "model/architecture.h"
#include "model/rope.h"
#include "model/weights.h"

namespace gptq {

// Keys and values of one sequence, all layers. Owned by whoever runs the sequence.
struct KvCache {
  struct Layer {
    Matrix keys, values;
  };  // [capacity, Hkv·D]
  std::vector<Layer> layers;
  int64_t capacity = 0;
  int64_t length = 0;  // positions filled

  static KvCache make(const Architecture& a, Backend& backend, int64_t capacity);
};

// What flows through a layer: `sequences` sequences of `length` tokens each, rows in order (M = S·T). The memory
// is made by Decoder::embed and serves every stage; used again for the next tokens, it only ever grows.
struct Activations {
  MatrixView hidden;  // [M, E]  the residual stream
  MatrixView input;   // [M, K]  what the linears of the current stage read
  int64_t sequences = 1;
  int64_t length = 0;  // T
  Matrix hidden_memory, input_memory;
};

// One stage = one input group. `enter` makes the group's input from the residual stream (nothing to do where the
// stage before has left it there); `leave` runs the group's linears and what follows them. Generation runs
// enter, leave, enter, leave …; quantization runs one stage for all calibration batches, looks at `input`,
// swaps the weights, and only then leaves the stage.
class Decoder {
 public:
  Decoder(const Architecture& architecture, Backend& backend);

  static constexpr int kStages = kInputGroups;

  // Embeds tokens [S·T] as the residual stream.
  void embed(Activations& x, std::span<const int> tokens, int64_t sequences, const Weight& table);
  void copy(Activations& to, const Activations& from);  // the residual stream alone

  void enter(int stage, const LayerWeights& layer, Activations& x);

  // `cache` holds earlier positions of the single sequence in `x` and receives its keys and values as layer
  // `index`; without a cache every sequence starts at position 0 and attends to itself only.
  void leave(int stage, const LayerWeights& layer, int64_t index, Activations& x, KvCache* cache = nullptr);

  // All four stages.
  void layer(const LayerWeights& layer, int64_t index, Activations& x, KvCache* cache = nullptr);

  // Final norm and head: logits of rows [begin, begin + count)                                     [count, V]
  MatrixView logits(const ModelWeights& weights, const Activations& x, int64_t begin, int64_t count);

  // Columns of `Activations::input` at each stage: K of the group.
  int64_t input_width(int stage) const;

 private:
  void attend(const LayerWeights& layer, int64_t index, Activations& x, KvCache* cache);
  MatrixView scratch(Matrix& buffer, int64_t rows, int64_t cols);
  void shape(Activations& x, int64_t rows, int64_t sequences);
  void set_input(Activations& x, int64_t cols);

  const Architecture& a_;
  Backend& backend_;
  RopeTable rope_;
  Matrix outputs_, logits_, normed_;  // scratch that grows to the largest batch seen, so decoding never allocates
};

}  // namespace gptq
