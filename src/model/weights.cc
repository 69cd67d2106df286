// Loading the tensors of an architecture from a checkpoint.
#include "model/weights.h"

#include <algorithm>
#include <optional>

#include <gptq/error.h>

#include "checkpoint/packed_format.h"
#include "core/json.h"
#include "core/threads.h"
#include "model/families.h"

namespace gptq::model {

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
  const std::string what = (checkpoint.folder() / "config.json").string();
  const Architecture a = find_family_or_throw(checkpoint.config(), what).read(JsonReader(checkpoint.config(), what));
  return checkpoint.tensor(a.names.embedding).dtype;
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

Matrix load_parameter(const Checkpoint& checkpoint, const std::string& name, const Parameter& parameter,
                      Backend& backend) {
  std::vector<float> values = load_vector(checkpoint, name, parameter.size, backend);
  if (parameter.offset != 0) {
    for (float& value : values) value += parameter.offset;
  }
  Matrix vector = backend.allocate(DType::kF32, 1, parameter.size);
  backend.upload(vector.view(), values);
  return vector;
}

namespace {

struct DenseLinear {
  TensorView weight;
  std::optional<TensorView> bias;

  const TensorView* bias_or_null() const { return bias ? &*bias : nullptr; }
};

DenseLinear find_dense(const Checkpoint& checkpoint, const std::string& module, const LinearSpec& spec,
                       Backend& backend, FiniteCheck check) {
  const std::string name = module + ".weight";
  DenseLinear linear;
  linear.weight = check == FiniteCheck::kDone
                      ? find_matrix(checkpoint, name, spec.out_features, spec.in_features)
                      : load_matrix(checkpoint, name, spec.out_features, spec.in_features, backend);
  if (!spec.bias) return linear;
  linear.bias = checkpoint.tensor(module + ".bias", {spec.out_features});
  require_finite(*linear.bias, module + ".bias", checkpoint, backend);
  return linear;
}

}  // namespace

std::unique_ptr<Weight> load_linear(const Checkpoint& checkpoint, const std::string& module, const LinearSpec& spec,
                                    Backend& backend, FiniteCheck check) {
  if (checkpoint.contains(module + ".qweight")) {
    return backend.load_weight(checkpoint::read_packed(checkpoint, module, spec.in_features, spec.out_features));
  }
  const DenseLinear linear = find_dense(checkpoint, module, spec, backend, check);
  return backend.load_weight(linear.weight, linear.bias_or_null());
}

LayerWeights load_layer_parameters(const Checkpoint& checkpoint, const Architecture& a, int64_t layer,
                                   Backend& backend) {
  const LayerProgram& program = a.program(layer);
  LayerWeights weights;
  for (const Parameter& parameter : program.parameters) {
    weights.parameters.push_back(
        load_parameter(checkpoint, a.layer_prefix(layer) + parameter.name, parameter, backend));
  }
  weights.linear_sets.resize(program.linear_sets.size());
  return weights;
}

namespace {

struct LinearAddress {
  int64_t layer = 0;
  size_t set = 0;
  LinearSpec spec;
};

// Loads the linears of layers [first, first + count) into layers[first …]. Packed ones are read by several threads.
void load_linears(const Checkpoint& checkpoint, const Architecture& a, int64_t first, int64_t count,
                  std::vector<LayerWeights>& layers, ThreadPool& pool, Backend& backend) {
  std::vector<LinearAddress> linears;
  for (int64_t layer = first; layer < first + count; ++layer) {
    const std::vector<LinearSet>& sets = a.program(layer).linear_sets;
    for (size_t set = 0; set < sets.size(); ++set) {
      for (const LinearSpec& spec : sets[set].linears) linears.push_back({layer, set, spec});
    }
  }
  const auto module = [&](const LinearAddress& linear) { return a.layer_prefix(linear.layer) + linear.spec.name; };
  std::vector<PackedWeight> packed(linears.size());
  pool.parallel_for(static_cast<int64_t>(linears.size()), [&](int64_t i) {
    const LinearAddress& linear = linears[static_cast<size_t>(i)];
    if (!checkpoint.contains(module(linear) + ".qweight")) return;
    packed[static_cast<size_t>(i)] =
        checkpoint::read_packed(checkpoint, module(linear), linear.spec.in_features, linear.spec.out_features);
  });
  for (size_t i = 0; i < linears.size(); ++i) {
    LayerWeights& layer = layers[static_cast<size_t>(linears[i].layer)];
    layer.linear_sets[linears[i].set].push_back(
        packed[i].in_features > 0 ? backend.load_weight(packed[i])
                                  : load_linear(checkpoint, module(linears[i]), linears[i].spec, backend));
    packed[i] = {};
  }
}

}  // namespace

LayerWeights load_layer(const Checkpoint& checkpoint, const Architecture& a, int64_t layer, Backend& backend) {
  LayerWeights weights = load_layer_parameters(checkpoint, a, layer, backend);
  const std::vector<LinearSet>& sets = a.program(layer).linear_sets;
  for (size_t set = 0; set < sets.size(); ++set) {
    for (const LinearSpec& spec : sets[set].linears) {
      weights.linear_sets[set].push_back(load_linear(checkpoint, a.layer_prefix(layer) + spec.name, spec, backend));
    }
  }
  return weights;
}

namespace {

// What lies before and after the layers.
void load_ends(ModelWeights& weights, const Checkpoint& checkpoint, const Architecture& a, Backend& backend) {
  const bool quantized = checkpoint.quantize_config().has_value();
  const auto load = [&](bool is_head, const TensorView& weight, const TensorView* bias) {
    return is_head && quantized ? backend.load_head(weight, bias) : backend.load_weight(weight, bias);
  };
  weights.embedding =
      load(a.tied_head, load_matrix(checkpoint, a.names.embedding, a.vocab_size, a.hidden_size, backend), nullptr);
  for (const Parameter& parameter : a.final_parameters) {
    weights.final_parameters.push_back(load_parameter(checkpoint, parameter.name, parameter, backend));
  }
  if (a.tied_head) return;
  const LinearSpec spec{a.names.head, a.hidden_size, a.vocab_size, a.head_bias};
  if (checkpoint.contains(a.names.head + ".qweight")) {
    weights.head = load_linear(checkpoint, a.names.head, spec, backend);
  } else {
    const DenseLinear head = find_dense(checkpoint, a.names.head, spec, backend, FiniteCheck::kRequired);
    weights.head = load(true, head.weight, head.bias_or_null());
  }
}

}  // namespace

ModelWeights load_weights(const Checkpoint& checkpoint, const Architecture& a, Backend& backend, int threads) {
  constexpr int64_t kLayersAtOnce = 2;  // enough linears for several threads, without a second copy of the model
  ModelWeights weights;
  load_ends(weights, checkpoint, a, backend);
  for (int64_t layer = 0; layer < a.layers; ++layer) {
    weights.layers.push_back(load_layer_parameters(checkpoint, a, layer, backend));
  }
  ThreadPool pool(threads);
  for (int64_t first = 0; first < a.layers; first += kLayersAtOnce) {
    load_linears(checkpoint, a, first, std::min(kLayersAtOnce, a.layers - first), weights.layers, pool, backend);
    checkpoint.release_pages();
  }
  return weights;
}

}  // namespace gptq::model
