// A model's weights on a device, bound by name from a checkpoint: one layer at a time, or all.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "backend/backend.h"
#include "checkpoint/checkpoint.h"
#include "model/architecture.h"

namespace gptq {

using Linears = std::vector<std::unique_ptr<Weight>>;  // of one input group, in its order

struct LayerWeights {
  Matrix input_norm;           // F32 [1, E]
  Matrix post_attention_norm;  // F32 [1, E]
  Matrix q_norm, k_norm;       // F32 [1, D], empty without q/k norms
  std::array<Linears, kLinearSets> groups;
};

struct ModelWeights {
  std::unique_ptr<Weight> embedding;  // [V, E]
  std::vector<LayerWeights> layers;
  Matrix final_norm;             // F32 [1, E]
  std::unique_ptr<Weight> head;  // [V, E]; null when the embedding serves (tied)

  const Weight& head_or_embedding() const { return head ? *head : *embedding; }
};

// The type in which the model is stored, by its embedding. Throws Error(kVerification) like read_architecture for an
// architecture that is not supported, before it looks for tensors that such a model names otherwise.
DType stored_dtype(const Checkpoint& checkpoint);

// Each of these throws Error(kVerification) naming the tensor for missing tensors and wrong shapes or types, and
// Error(kNumerical) for NaN or infinite weights; find_matrix leaves the values alone.
TensorView find_matrix(const Checkpoint& checkpoint, const std::string& name, int64_t rows, int64_t cols);
std::vector<float> load_vector(const Checkpoint& checkpoint, const std::string& name, int64_t size, Backend& backend);
TensorView load_matrix(const Checkpoint& checkpoint, const std::string& name, int64_t rows, int64_t cols,
                       Backend& backend);

// A packed or dense linear, whichever the checkpoint holds. Of a dense one that is known to be finite the weights are
// not read for that again.
enum class FiniteCheck { kRequired, kDone };
std::unique_ptr<Weight> load_linear(const Checkpoint& checkpoint, const std::string& module, const LinearSpec& spec,
                                    Backend& backend, FiniteCheck check = FiniteCheck::kRequired);

LayerWeights load_layer_norms(const Checkpoint& checkpoint, const Architecture& a, int64_t layer, Backend& backend);
LayerWeights load_layer(const Checkpoint& checkpoint, const Architecture& a, int64_t layer, Backend& backend);

ModelWeights load_weights(const Checkpoint& checkpoint, const Architecture& a, Backend& backend, int threads);

}  // namespace gptq
