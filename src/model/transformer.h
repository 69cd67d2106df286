// The eager interpreter of layer programs, used by generation and calibration: one backend operation per step.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "model/architecture.h"
#include "model/batch.h"
#include "model/kv_cache.h"
#include "model/rope.h"
#include "model/weights.h"

namespace gptq::model {

// The activations of M rows between two passes of a layer: the residual stream, and the buffers of the slots that are
// alive before a linear set. Memory is allocated on first use and reused by later batches; it only grows.
struct Activations {
  MatrixView residual;       // F32 [M, E]
  std::vector<Matrix> kept;  // [LayerProgram::kept_buffers]
  Matrix residual_memory;    // of `residual`, unless it is elsewhere
};

class Transformer {
 public:
  Transformer(const Architecture& architecture, Backend& backend);

  // The residual stream of the tokens [M]: their embeddings.
  void embed(Activations& x, std::span<const int> tokens, const Weight& table);
  void embed(MatrixView residual, std::span<const int> tokens, const Weight& table);
  void copy(Activations& to, const Activations& from);  // only the residual stream
  void reserve(Activations& x, int64_t rows);           // the kept buffers of every layer

  // Runs steps [begin, end) of layer `index`. `weights` must hold the weights of these steps. With a cache, `rows` has
  // the pages of its sequences' keys and values, and new ones are stored there; without one, every sequence starts at
  // position 0. A pass may stop before any linear set and continue later with the same activations.
  void run(int64_t index, int begin, int end, const LayerWeights& weights, Activations& x, const BatchRows& rows,
           const KvCache* cache = nullptr);
  void run_layer(int64_t index, const LayerWeights& weights, Activations& x, const BatchRows& rows,
                 const KvCache* cache = nullptr);

  // The input of the linears of a set, after the steps before it were run                                [M, K]
  MatrixView input_of(int64_t index, int set, Activations& x);

  // Final norm and head of some rows of the residual stream: logits                                F32 [count, V]
  MatrixView logits(const ModelWeights& weights, const Activations& x, std::span<const int> rows);

  // A fused decoder of the same computation, for up to `positions` positions per sequence; null if the backend has none
  // for this model. `weights` and `cache` must outlive it.
  std::unique_ptr<DecodeRunner> make_decode_runner(const ModelWeights& weights, const KvCache& cache, int64_t sequences,
                                                   int64_t positions, int vocabulary);

  void release();  // frees scratch memory; the next use allocates it again

 private:
  class Pass;

  MatrixView scratch(Matrix& buffer, DType dtype, int64_t rows, int64_t cols);
  // The memory of a buffer of a program, for `rows` rows.
  Matrix& buffer(const LayerProgram& program, int index, Activations& x, int64_t rows);

  const Architecture& a_;
  Backend& backend_;
  std::vector<RopeTable> ropes_;
  std::vector<Matrix> scratch_;      // of the buffers that are not kept
  Matrix logits_, normed_, chosen_;  // grow to the largest batch, so that decoding does not allocate
};

}  // namespace gptq::model
