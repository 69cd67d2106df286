// The eager interpreter of layer programs: generation and calibration run the same steps, one backend operation each.
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

// What a pass leaves behind between two steps of a layer, M rows: the residual stream, and the buffers of the slots that are
// alive in front of a linear set. Memory is made when it is first needed; used again for the next batch, it only grows.
struct Activations {
  MatrixView residual;       // F32 [M, E]
  std::vector<Matrix> kept;  // [LayerProgram::kept_buffers]
  Matrix residual_memory;    // of `residual`, unless that lies elsewhere
};

class Transformer {
 public:
  Transformer(const Architecture& architecture, Backend& backend);

  // Makes the residual stream of the tokens [M].
  void embed(Activations& x, std::span<const int> tokens, const Weight& table);
  void embed(MatrixView residual, std::span<const int> tokens, const Weight& table);
  void copy(Activations& to, const Activations& from);  // the residual stream alone
  void reserve(Activations& x, int64_t rows);           // the kept buffers of every layer

  // Runs steps [begin, end) of layer `index`. `weights` must hold what these steps use. With a cache, `rows` has the
  // pages in which its sequences' keys and values lie, and new ones are stored there; without one, every sequence
  // starts at position 0. A pass may stop in front of any linear set and go on later with the same activations.
  void run(int64_t index, int begin, int end, const LayerWeights& weights, Activations& x, const BatchRows& rows,
           const KvCache* cache = nullptr);
  void run_layer(int64_t index, const LayerWeights& weights, Activations& x, const BatchRows& rows,
                 const KvCache* cache = nullptr);

  // What the linears of a set read, after the steps in front of it have run                               [M, K]
  MatrixView input_of(int64_t index, int set, Activations& x);

  // Final norm and head of some rows of the residual stream: logits                                F32 [count, V]
  MatrixView logits(const ModelWeights& weights, const Activations& x, std::span<const int> rows);

  // The same computation as a unit that decodes, for caches of up to `positions` positions a sequence; null when the
  // backend has none for this model. `weights` and `cache` must outlive it.
  std::unique_ptr<DecodeRunner> make_decode_runner(const ModelWeights& weights, const KvCache& cache, int64_t sequences,
                                                   int64_t positions, int vocabulary);

  void release();  // scratch; the next use makes it again

 private:
  class Pass;

  MatrixView scratch(Matrix& buffer, DType dtype, int64_t rows, int64_t cols);
  // The memory of a buffer of a program, for `rows` rows.
  Matrix& buffer(const LayerProgram& program, int index, Activations& x, int64_t rows);

  const Architecture& a_;
  Backend& backend_;
  std::vector<RopeTable> ropes_;
  std::vector<Matrix> scratch_;      // of the buffers that no pass keeps
  Matrix logits_, normed_, chosen_;  // grow to the largest batch seen, so decoding never allocates
};

}  // namespace gptq::model
