// A model's weights on a device, loaded by name from a checkpoint: one layer at a time, or all.
#pragma once

#include <memory>
#include <vector>

#include "backend/backend.h"
#include "checkpoint/checkpoint.h"
#include "model/architecture.h"

namespace gptq::model {

using checkpoint::Checkpoint;

using Linears = std::vector<std::unique_ptr<Weight>>;  // of one linear set, in its order

struct LayerWeights {
  std::vector<Matrix> parameters;    // F32 [1, size], in the order of LayerProgram::parameters
  std::vector<Linears> linear_sets;  // in the order of LayerProgram::linear_sets
};

struct ModelWeights {
  std::unique_ptr<Weight> embedding;  // [V, E]
  std::vector<LayerWeights> layers;
  std::vector<Matrix> final_parameters;  // F32 [1, E], of Architecture::final_parameters
  std::unique_ptr<Weight> head;          // [V, E]; null if tied to the embedding

  const Weight& head_or_embedding() const { return head ? *head : *embedding; }
};

// The type in which the model is stored: that of its embedding. Throws Error(kVerification) like read_architecture for
// an unsupported architecture, before the embedding is looked up.
DType stored_dtype(const Checkpoint& checkpoint);

// Each of these throws Error(kVerification) naming the tensor for missing tensors and wrong shapes or types, and
// Error(kNumerical) for NaN or infinite weights; find_matrix does not check the values.
TensorView find_matrix(const Checkpoint& checkpoint, const std::string& name, int64_t rows, int64_t cols);
std::vector<float> load_vector(const Checkpoint& checkpoint, const std::string& name, int64_t size, Backend& backend);
TensorView load_matrix(const Checkpoint& checkpoint, const std::string& name, int64_t rows, int64_t cols,
                       Backend& backend);

// A packed or dense linear, whichever the checkpoint holds. FiniteCheck::kDone: dense weights are known to be finite
// and are not checked again.
enum class FiniteCheck { kRequired, kDone };
std::unique_ptr<Weight> load_linear(const Checkpoint& checkpoint, const std::string& module, const LinearSpec& spec,
                                    Backend& backend, FiniteCheck check = FiniteCheck::kRequired);

// The stored vector plus the parameter's offset                                                F32 [1, size]
Matrix load_parameter(const Checkpoint& checkpoint, const std::string& name, const Parameter& parameter,
                      Backend& backend);

// A layer with its parameters and empty linear sets.
LayerWeights load_layer_parameters(const Checkpoint& checkpoint, const Architecture& a, int64_t layer,
                                   Backend& backend);
LayerWeights load_layer(const Checkpoint& checkpoint, const Architecture& a, int64_t layer, Backend& backend);

ModelWeights load_weights(const Checkpoint& checkpoint, const Architecture& a, Backend& backend, int threads);

}  // namespace gptq::model
