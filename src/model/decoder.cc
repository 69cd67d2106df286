// The forward pass, one line for each sentence of the paper.
#include "model/decoder.h"

#include <algorithm>
#include <cmath>

namespace gptq {

namespace {

std::vector<const Weight*> pointers(const Linears& linears) {
  std::vector<const Weight*> result;
  for (const auto& weight : linears) result.push_back(weight.get());
  return result;
}

}  // namespace

Decoder::Decoder(const Architecture& architecture, Backend& backend)
    : a_(architecture), backend_(backend), rope_(architecture, backend) {}

int64_t Decoder::input_width(int stage) const {
  switch (stage) {
    case 1: return a_.heads * a_.head_dim;
    case 3: return a_.intermediate_size;
    default: return a_.hidden_size;
  }
}

void Decoder::embed(Activations& x, std::span<const int> tokens, int64_t sequences, const Weight& table) {
  shape(x, static_cast<int64_t>(tokens.size()), sequences);
  backend_.embed(x.hidden, tokens, table);
}

void Decoder::copy(Activations& to, const Activations& from) {
  shape(to, from.hidden.rows, from.sequences);
  backend_.copy(to.hidden, from.hidden);
}

void Decoder::shape(Activations& x, int64_t rows, int64_t sequences) {
  CHECK(sequences > 0 && rows % sequences == 0);
  x.sequences = sequences;
  x.length = rows / sequences;
  const int64_t widest = std::max({a_.hidden_size, a_.heads * a_.head_dim, a_.intermediate_size});
  x.hidden = scratch(x.hidden_memory, DType::kF32, rows, a_.hidden_size);
  x.input = scratch(x.input_memory, backend_.activation_dtype(), rows, widest);
}

void Decoder::enter(int stage, const LayerWeights& layer, Activations& x) {
  if (stage != 0 && stage != 2) return;  // stages 1 and 3 read what stages 0 and 2 have left in `input`
  set_input(x, a_.hidden_size);
  const Matrix& norm = stage == 0 ? layer.input_norm : layer.post_attention_norm;
  backend_.rms_norm(x.input, x.hidden, norm.view(), a_.rms_norm_eps);
}

void Decoder::leave(int stage, const LayerWeights& layer, int64_t index, Activations& x, KvCache* cache,
                    int64_t sequence) {
  const int64_t rows = x.hidden.rows;
  const DType dtype = backend_.activation_dtype();
  const std::vector<const Weight*> linears = pointers(layer.groups[static_cast<size_t>(stage)]);
  if (stage == 0) return attend(layer, index, x, cache, sequence);
  if (stage == 2) {
    const MatrixView gate_up = scratch(outputs_, dtype, rows, 2 * a_.intermediate_size);
    backend_.linear(gate_up, x.input, linears);
    set_input(x, a_.intermediate_size);
    return backend_.silu_multiply(x.input, gate_up);
  }
  const MatrixView out = scratch(outputs_, dtype, rows, a_.hidden_size);
  backend_.linear(out, x.input, linears);
  backend_.add(x.hidden, out);
}

void Decoder::attend(const LayerWeights& layer, int64_t index, Activations& x, KvCache* cache, int64_t sequence) {
  const int64_t q_width = a_.heads * a_.head_dim, kv_width = a_.kv_heads * a_.head_dim;
  const MatrixView qkv = scratch(outputs_, backend_.activation_dtype(), x.hidden.rows, q_width + 2 * kv_width);
  backend_.linear(qkv, x.input, pointers(layer.groups[0]));
  const MatrixView q = qkv.column_range(0, q_width);
  const MatrixView k = qkv.column_range(q_width, kv_width);
  const MatrixView v = qkv.column_range(q_width + kv_width, kv_width);
  if (a_.qk_norm) {
    backend_.rms_norm(q, q, layer.q_norm.view(), a_.rms_norm_eps);
    backend_.rms_norm(k, k, layer.k_norm.view(), a_.rms_norm_eps);
  }
  AttentionArgs args;
  args.past = cache ? cache->length(sequence) : 0;
  const RopeTable::Rows angles = rope_.rows(args.past, x.length);
  backend_.rope(q, static_cast<int>(a_.head_dim), angles.cos, angles.sin);
  backend_.rope(k, static_cast<int>(a_.head_dim), angles.cos, angles.sin);
  args.q = q;
  args.keys = k;
  args.values = v;
  PageTable pages;
  if (cache) {
    CHECK(x.sequences == 1 && args.past + x.length <= cache->capacity());
    pages = cache->pages(sequence);
    args.pages = &pages;
    args.keys = cache->layer(index).keys.view();
    args.values = cache->layer(index).values.view();
    backend_.append(args.keys, k, pages, args.past);
    backend_.append(args.values, v, pages, args.past);
  }
  args.sequences = x.sequences;
  args.heads = static_cast<int>(a_.heads);
  args.kv_heads = static_cast<int>(a_.kv_heads);
  args.head_dim = static_cast<int>(a_.head_dim);
  args.scale = attention_scale();
  args.window = a_.windows[static_cast<size_t>(index)];
  set_input(x, q_width);
  backend_.attention(x.input, args);
}

void Decoder::layer(const LayerWeights& layer, int64_t index, Activations& x, KvCache* cache, int64_t sequence) {
  for (int stage = 0; stage < kStages; ++stage) {
    enter(stage, layer, x);
    leave(stage, layer, index, x, cache, sequence);
  }
}

MatrixView Decoder::logits(const ModelWeights& weights, const Activations& x, int64_t begin, int64_t count) {
  const MatrixView normed = scratch(normed_, backend_.activation_dtype(), count, a_.hidden_size);
  backend_.rms_norm(normed, x.hidden.row_range(begin, count), weights.final_norm.view(), a_.rms_norm_eps);
  const MatrixView logits = scratch(logits_, DType::kF32, count, a_.vocab_size);
  const Weight* head = &weights.head_or_embedding();
  backend_.linear(logits, normed, {&head, 1});
  return logits;
}

std::unique_ptr<DecodeRunner> Decoder::make_decode_runner(const ModelWeights& weights, const KvCache& cache,
                                                          int vocabulary) {
  if (a_.rope.type == RopeType::kDynamic) return nullptr;  // its angles change with the length
  StepModel model;
  model.embedding = weights.embedding.get();
  model.head = &weights.head_or_embedding();
  model.final_norm = weights.final_norm.view();
  for (size_t i = 0; i < weights.layers.size(); ++i) {
    const LayerWeights& layer = weights.layers[i];
    StepLayer& step = model.layers.emplace_back();
    step.input_norm = layer.input_norm.view();
    step.post_attention_norm = layer.post_attention_norm.view();
    step.q_norm = layer.q_norm.view();
    step.k_norm = layer.k_norm.view();
    for (size_t g = 0; g < step.groups.size(); ++g) step.groups[g] = pointers(layer.groups[g]);
    step.keys = cache.layer(static_cast<int64_t>(i)).keys.view();
    step.values = cache.layer(static_cast<int64_t>(i)).values.view();
    step.window = a_.windows[i];
  }
  const RopeTable::Rows angles = rope_.rows(0, cache.capacity());
  model.cos = angles.cos;
  model.sin = angles.sin;
  model.pages = cache.pages();
  model.rms_norm_eps = a_.rms_norm_eps;
  model.attention_scale = attention_scale();
  model.heads = static_cast<int>(a_.heads);
  model.kv_heads = static_cast<int>(a_.kv_heads);
  model.head_dim = static_cast<int>(a_.head_dim);
  model.vocabulary = vocabulary;
  return backend_.make_decode_runner(model);
}

float Decoder::attention_scale() const { return 1.0f / std::sqrt(static_cast<float>(a_.head_dim)); }

void Decoder::release() {
  for (Matrix* memory : {&outputs_, &logits_, &normed_}) *memory = {};
}

MatrixView Decoder::scratch(Matrix& buffer, DType dtype, int64_t rows, int64_t cols) {
  if (buffer.dtype() != dtype || buffer.rows() * buffer.cols() < rows * cols) {
    buffer = {};
    buffer = backend_.allocate(dtype, rows, cols);
  }
  return {dtype, buffer.view().data, rows, cols, cols};
}

void Decoder::set_input(Activations& x, int64_t cols) {
  x.input = scratch(x.input_memory, backend_.activation_dtype(), x.hidden.rows, cols);
}

}  // namespace gptq
