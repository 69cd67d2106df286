// Binding checkpoint tensors to the places of an architecture.
#include "model/weights.h"

#include <algorithm>

#include <gptq/error.h>

#include "checkpoint/packed_format.h"
#include "core/threads.h"
#include "model/families.h"

namespace gptq {

namespace {

void require_floats(const TensorView& view, const std::string& name, const Checkpoint& checkpoint) {
  if (view.dtype != DType::kF32 && view.dtype != DType::kF16 && view.dtype != DType::kBF16) {
    throw Error(ErrorKind::kVerification, "loading tensor " + name + " of " + checkpoint.folder().string() +
                                              ": found type " + std::string(name_of(view.dtype)) +
                                              ", expected F32, F16 or BF16");
  }
}

void require_finite(const TensorView& view, const std::string& name, const Checkpoint& checkpoint, Backend& backend) {
  require_floats(view, name, checkpoint);
  if (backend.all_finite(view)) return;
  throw Error(ErrorKind::kNumerical, "loading tensor " + name + " from " +
                                         (checkpoint.folder() / checkpoint.file_of(name)).string() +
                                         ": it holds NaN or infinity; the file is damaged or the training "
                                         "diverged, fetch the model again");
}

}  // namespace

DType stored_dtype(const Checkpoint& checkpoint) {
  if (find_family(checkpoint.config()) == nullptr)
    read_architecture(checkpoint.config(), (checkpoint.folder() / "config.json").string());
  return checkpoint.tensor(kEmbeddingName).dtype;
}

TensorView find_matrix(const Checkpoint& checkpoint, const std::string& name, int64_t rows, int64_t cols) {
  const TensorView view = checkpoint.tensor(name, {rows, cols});
  require_floats(view, name, checkpoint);
  return view;
}

TensorView load_matrix(const Checkpoint& checkpoint, const std::string& name, int64_t rows, int64_t cols,
                       Backend& backend) {
  const TensorView view = checkpoint.tensor(name, {rows, cols});
  require_finite(view, name, checkpoint, backend);
  return view;
}

std::vector<float> load_vector(const Checkpoint& checkpoint, const std::string& name, int64_t size, Backend& backend) {
  const TensorView view = checkpoint.tensor(name, {size});
  require_finite(view, name, checkpoint, backend);
  const Tensor values = to_float32(view, name);
  return {values.values<float>().begin(), values.values<float>().end()};
}

namespace {

Matrix load_norm_vector(const Checkpoint& checkpoint, const std::string& name, int64_t size, Backend& backend) {
  Matrix norm = backend.allocate(DType::kF32, 1, size);
  backend.upload(norm.view(), load_vector(checkpoint, name, size, backend));
  return norm;
}

}  // namespace

std::unique_ptr<Weight> load_linear(const Checkpoint& checkpoint, const std::string& module, const LinearSpec& spec,
                                    Backend& backend, FiniteCheck check) {
  if (checkpoint.contains(module + ".qweight")) {
    return backend.load_weight(read_packed(checkpoint, module, spec.in_features, spec.out_features));
  }
  const std::string name = module + ".weight";
  const TensorView weight = check == FiniteCheck::kDone
                                ? find_matrix(checkpoint, name, spec.out_features, spec.in_features)
                                : load_matrix(checkpoint, name, spec.out_features, spec.in_features, backend);
  if (!spec.bias) return backend.load_weight(weight, nullptr);
  const TensorView bias = checkpoint.tensor(module + ".bias", {spec.out_features});
  require_finite(bias, module + ".bias", checkpoint, backend);
  return backend.load_weight(weight, &bias);
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

namespace {

struct Place {
  int64_t layer = 0;
  size_t group = 0;
  LinearSpec spec;
};

// The linears of layers [first, first + count) into layers[first …]. Packed ones are read by several threads.
void load_linears(const Checkpoint& checkpoint, const Architecture& a, int64_t first, int64_t count,
                  std::vector<LayerWeights>& layers, ThreadPool& pool, Backend& backend) {
  std::vector<Place> places;
  const auto groups = linear_sets(a);
  for (int64_t layer = first; layer < first + count; ++layer) {
    for (size_t g = 0; g < groups.size(); ++g) {
      for (const LinearSpec& spec : groups[g].linears) places.push_back({layer, g, spec});
    }
  }
  const auto module = [](const Place& place) { return layer_prefix(place.layer) + place.spec.name; };
  std::vector<PackedWeight> packed(places.size());
  pool.parallel_for(static_cast<int64_t>(places.size()), [&](int64_t i) {
    const Place& place = places[static_cast<size_t>(i)];
    if (!checkpoint.contains(module(place) + ".qweight")) return;
    packed[static_cast<size_t>(i)] =
        read_packed(checkpoint, module(place), place.spec.in_features, place.spec.out_features);
  });
  for (size_t i = 0; i < places.size(); ++i) {
    LayerWeights& layer = layers[static_cast<size_t>(places[i].layer)];
    layer.groups[places[i].group].push_back(packed[i].in_features > 0
                                                ? backend.load_weight(packed[i])
                                                : load_linear(checkpoint, module(places[i]), places[i].spec, backend));
    packed[i] = {};
  }
}

}  // namespace

LayerWeights load_layer(const Checkpoint& checkpoint, const Architecture& a, int64_t layer, Backend& backend) {
  LayerWeights weights = load_layer_norms(checkpoint, a, layer, backend);
  const auto groups = linear_sets(a);
  for (size_t g = 0; g < groups.size(); ++g) {
    for (const LinearSpec& spec : groups[g].linears) {
      weights.groups[g].push_back(load_linear(checkpoint, layer_prefix(layer) + spec.name, spec, backend));
    }
  }
  return weights;
}

ModelWeights load_weights(const Checkpoint& checkpoint, const Architecture& a, Backend& backend, int threads) {
  constexpr int64_t kLayersAtOnce = 4;  // linears for some threads, without a second copy of the model
  ModelWeights weights;
  weights.embedding =
      backend.load_weight(load_matrix(checkpoint, kEmbeddingName, a.vocab_size, a.hidden_size, backend), nullptr);
  weights.final_norm = load_norm_vector(checkpoint, kFinalNormName, a.hidden_size, backend);
  if (!a.tied_head) {
    weights.head = load_linear(checkpoint, "lm_head", {"lm_head", a.hidden_size, a.vocab_size, false}, backend);
  }
  for (int64_t layer = 0; layer < a.layers; ++layer) {
    weights.layers.push_back(load_layer_norms(checkpoint, a, layer, backend));
  }
  ThreadPool pool(threads);
  for (int64_t first = 0; first < a.layers; first += kLayersAtOnce) {
    load_linears(checkpoint, a, first, std::min(kLayersAtOnce, a.layers - first), weights.layers, pool, backend);
  }
  return weights;
}

}  // namespace gptq
