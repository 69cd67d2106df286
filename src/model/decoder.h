// The one forward pass: a decoder layer as four stages that generation and calibration both run.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "model/architecture.h"
#include "model/kv_cache.h"
#include "model/rope.h"
#include "model/weights.h"

namespace gptq {

// What flows through a layer: `sequences` sequences of `length` tokens each, rows in order (M = S·T). The memory
// is made by Decoder::embed and serves every stage; used again for the next tokens, it only ever grows.
struct Activations {
  MatrixView hidden;  // F32 [M, E]  the residual stream
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

  static constexpr int kStages = kLinearSets;

  // Embeds tokens [S·T] as the residual stream.
  void embed(Activations& x, std::span<const int> tokens, int64_t sequences, const Weight& table);
  void copy(Activations& to, const Activations& from);  // the residual stream alone

  void enter(int stage, const LayerWeights& layer, Activations& x);

  // `cache` holds earlier positions of its sequence `sequence`, the only one in `x`, and receives the new keys and
  // values as layer `index`; without a cache every sequence starts at position 0 and attends to itself only.
  void leave(int stage, const LayerWeights& layer, int64_t index, Activations& x, KvCache* cache = nullptr,
             int64_t sequence = 0);

  // All four stages.
  void layer(const LayerWeights& layer, int64_t index, Activations& x, KvCache* cache = nullptr, int64_t sequence = 0);

  // Final norm and head: logits of rows [begin, begin + count)                                 F32 [count, V]
  MatrixView logits(const ModelWeights& weights, const Activations& x, int64_t begin, int64_t count);

  // The same computation as one unit, for the sequences of `cache`; null when the backend does not fuse it.
  std::unique_ptr<DecodeRunner> make_decode_runner(const ModelWeights& weights, const KvCache& cache, int vocabulary);

  // Columns of `Activations::input` at each stage: K of the group.
  int64_t input_width(int stage) const;

  // The stage, this one or the one before, whose input comes from the residual stream alone.
  static constexpr int starting_stage(int stage) { return stage / 2 * 2; }

  void release();  // scratch; the next use makes it again

 private:
  void attend(const LayerWeights& layer, int64_t index, Activations& x, KvCache* cache, int64_t sequence);
  MatrixView scratch(Matrix& buffer, DType dtype, int64_t rows, int64_t cols);
  float attention_scale() const;
  void shape(Activations& x, int64_t rows, int64_t sequences);
  void set_input(Activations& x, int64_t cols);

  const Architecture& a_;
  Backend& backend_;
  RopeTable rope_;
  Matrix outputs_, logits_, normed_;  // scratch that grows to the largest batch seen, so decoding never allocates
};

}  // namespace gptq
