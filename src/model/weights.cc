// Binding checkpoint tensors to the places of an architecture.
#include "model/weights.h"

#include <cstring>

#include <gptq/error.h>

#include "checkpoint/packed_format.h"

namespace gptq {

namespace {

template <typename Bits>
bool has_non_finite(const TensorView& view, Bits exponent) {
  bool bad = false;
  for (int64_t i = 0; i < view.size(); ++i) {
    Bits bits;
    std::memcpy(&bits, view.data + static_cast<size_t>(i) * sizeof(Bits), sizeof(Bits));
    bad |= (bits & exponent) == exponent;
  }
  return bad;
}

void require_finite(const TensorView& view, const std::string& name, const Checkpoint& checkpoint) {
  bool bad = false;
  switch (view.dtype) {
    case DType::kF32: bad = has_non_finite<uint32_t>(view, 0x7F800000u); break;
    case DType::kF16: bad = has_non_finite<uint16_t>(view, uint16_t{0x7C00}); break;
    case DType::kBF16: bad = has_non_finite<uint16_t>(view, uint16_t{0x7F80}); break;
    default:
      throw Error(ErrorKind::kVerification, "loading tensor " + name + " of " + checkpoint.folder().string() +
                                                ": found type " + std::string(name_of(view.dtype)) +
                                                ", expected F32, F16 or BF16");
  }
  if (!bad) return;
  throw Error(ErrorKind::kNumerical, "loading tensor " + name + " from " +
                                         (checkpoint.folder() / checkpoint.file_of(name)).string() +
                                         ": it holds NaN or infinity; the file is damaged or the training "
                                         "diverged, fetch the model again");
}

}  // namespace

TensorView load_matrix(const Checkpoint& checkpoint, const std::string& name, int64_t rows, int64_t cols) {
  const TensorView view = checkpoint.tensor(name, {rows, cols});
  require_finite(view, name, checkpoint);
  return view;
}

std::vector<float> load_vector(const Checkpoint& checkpoint, const std::string& name, int64_t size) {
  const TensorView view = checkpoint.tensor(name, {size});
  require_finite(view, name, checkpoint);
  const Tensor values = to_float32(view, name);
  return {values.values<float>().begin(), values.values<float>().end()};
}

namespace {

Matrix load_norm_vector(const Checkpoint& checkpoint, const std::string& name, int64_t size, Backend& backend) {
  Matrix norm = backend.allocate(DType::kF32, 1, size);
  backend.upload(norm.view(), load_vector(checkpoint, name, size));
  return norm;
}

}  // namespace

std::unique_ptr<Weight> load_linear(const Checkpoint& checkpoint, const std::string& module, const LinearSpec& spec,
                                    Backend& backend) {
  if (checkpoint.contains(module + ".qweight")) {
    return backend.prepare(read_packed(checkpoint, module, spec.in_features, spec.out_features));
  }
  const TensorView weight = load_matrix(checkpoint, module + ".weight", spec.out_features, spec.in_features);
  if (!spec.bias) return backend.prepare(weight, nullptr);
  const TensorView bias = checkpoint.tensor(module + ".bias", {spec.out_features});
  require_finite(bias, module + ".bias", checkpoint);
  return backend.prepare(weight, &bias);
}

LayerWeights load_layer_norms(const Checkpoint& checkpoint, const Architecture& a, int64_t layer, Backend& backend) {
  const std::string prefix = layer_prefix(layer);
  const auto load_norm = [&](const std::string& name, int64_t size) {
    return load_norm_vector(checkpoint, prefix + name, size, backend);
  };
  LayerWeights weights;
  weights.input_norm = load_norm("input_layernorm.weight", a.hidden_size);
  weights.post_attention_norm = load_norm("post_attention_layernorm.weight", a.hidden_size);
  if (a.qk_norm) {
    weights.q_norm = load_norm("self_attn.q_norm.weight", a.head_dim);
    weights.k_norm = load_norm("self_attn.k_norm.weight", a.head_dim);
  }
  return weights;
}

LayerWeights load_layer(const Checkpoint& checkpoint, const Architecture& a, int64_t layer, Backend& backend) {
  LayerWeights weights = load_layer_norms(checkpoint, a, layer, backend);
  const auto groups = input_groups(a);
  for (size_t g = 0; g < groups.size(); ++g) {
    for (const LinearSpec& spec : groups[g].linears) {
      weights.groups[g].push_back(load_linear(checkpoint, layer_prefix(layer) + spec.name, spec, backend));
    }
  }
  return weights;
}

ModelWeights load_ends(const Checkpoint& checkpoint, const Architecture& a, Backend& backend) {
  ModelWeights weights;
  weights.embedding = backend.prepare(load_matrix(checkpoint, kEmbeddingName, a.vocab_size, a.hidden_size), nullptr);
  weights.final_norm = load_norm_vector(checkpoint, kFinalNormName, a.hidden_size, backend);
  if (!a.tied_head) {
    weights.head = load_linear(checkpoint, "lm_head", {"lm_head", a.hidden_size, a.vocab_size, false}, backend);
  }
  return weights;
}

ModelWeights load_weights(const Checkpoint& checkpoint, const Architecture& a, Backend& backend) {
  ModelWeights weights = load_ends(checkpoint, a, backend);
  for (int64_t layer = 0; layer < a.layers; ++layer) {
    weights.layers.push_back(load_layer(checkpoint, a, layer, backend));
  }
  return weights;
}

}  // namespace gptq
