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

KvCache KvCache::make(const Architecture& a, Backend& backend, int64_t capacity) {
  KvCache cache;
  cache.capacity = capacity;
  for (int64_t i = 0; i < a.layers; ++i) {
    const auto rows = [&] { return backend.allocate(backend.activation_dtype(), capacity, a.kv_heads * a.head_dim); };
    cache.layers.push_back({rows(), rows()});
  }
  return cache;
}

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
  x.hidden = scratch(x.hidden_memory, rows, a_.hidden_size);
  x.input = scratch(x.input_memory, rows, widest);
}

void Decoder::enter(int stage, const LayerWeights& layer, Activations& x) {
  if (stage != 0 && stage != 2) return;  // stages 1 and 3 read what stages 0 and 2 have left in `input`
  set_input(x, a_.hidden_size);
  const std::vector<float>& norm = stage == 0 ? layer.input_norm : layer.post_attention_norm;
  backend_.rms_norm(x.input, x.hidden, norm, a_.rms_norm_eps);
}

void Decoder::leave(int stage, const LayerWeights& layer, int64_t index, Activations& x, KvCache* cache) {
  const int64_t rows = x.hidden.rows;
  const std::vector<const Weight*> linears = pointers(layer.groups[static_cast<size_t>(stage)]);
  if (stage == 0) return attend(layer, index, x, cache);
  if (stage == 2) {
    const MatrixView gate_up = scratch(outputs_, rows, 2 * a_.intermediate_size);
    backend_.linear(gate_up, x.input, linears);
    set_input(x, a_.intermediate_size);
    return backend_.silu_multiply(x.input, gate_up);
  }
  const MatrixView out = scratch(outputs_, rows, a_.hidden_size);
  backend_.linear(out, x.input, linears);
  backend_.add(x.hidden, out);
}

void Decoder::attend(const LayerWeights& layer, int64_t index, Activations& x, KvCache* cache) {
  const int64_t rows = x.hidden.rows, q_width = a_.heads * a_.head_dim, kv_width = a_.kv_heads * a_.head_dim;
  const MatrixView qkv = scratch(outputs_, rows, q_width + 2 * kv_width);
  backend_.linear(qkv, x.input, pointers(layer.groups[0]));
  const MatrixView q = qkv.column_range(0, q_width);
  const MatrixView k = qkv.column_range(q_width, kv_width);
  const MatrixView v = qkv.column_range(q_width + kv_width, kv_width);
  if (a_.qk_norm) {
    backend_.rms_norm(q, q, layer.q_norm, a_.rms_norm_eps);
    backend_.rms_norm(k, k, layer.k_norm, a_.rms_norm_eps);
  }
  set_input(x, q_width);
  const int64_t past = cache ? cache->length : 0;
  const RopeTable::Rows angles = rope_.rows(past, x.length);
  for (int64_t s = 0; s < x.sequences; ++s) {
    const int64_t begin = s * x.length;
    AttentionArgs args;
    args.q = q.row_range(begin, x.length);
    args.keys = k.row_range(begin, x.length);
    args.values = v.row_range(begin, x.length);
    backend_.rope(args.q, static_cast<int>(a_.head_dim), angles.cos, angles.sin);
    backend_.rope(args.keys, static_cast<int>(a_.head_dim), angles.cos, angles.sin);
    if (cache) {
      CHECK(x.sequences == 1 && past + x.length <= cache->capacity);
      KvCache::Layer& store = cache->layers[static_cast<size_t>(index)];
      backend_.copy(store.keys.view().row_range(past, x.length), args.keys);
      backend_.copy(store.values.view().row_range(past, x.length), args.values);
      args.keys = store.keys.view().row_range(0, past + x.length);
      args.values = store.values.view().row_range(0, past + x.length);
    }
    args.past = past;
    args.heads = static_cast<int>(a_.heads);
    args.kv_heads = static_cast<int>(a_.kv_heads);
    args.head_dim = static_cast<int>(a_.head_dim);
    args.scale = 1.0f / std::sqrt(static_cast<float>(a_.head_dim));
    args.window = a_.windows[static_cast<size_t>(index)];
    backend_.attention(x.input.row_range(begin, x.length), args);
  }
}

void Decoder::layer(const LayerWeights& layer, int64_t index, Activations& x, KvCache* cache) {
  for (int stage = 0; stage < kStages; ++stage) {
    enter(stage, layer, x);
    leave(stage, layer, index, x, cache);
  }
}

MatrixView Decoder::logits(const ModelWeights& weights, const Activations& x, int64_t begin, int64_t count) {
  const MatrixView normed = scratch(normed_, count, a_.hidden_size);
  backend_.rms_norm(normed, x.hidden.row_range(begin, count), weights.final_norm, a_.rms_norm_eps);
  const MatrixView logits = scratch(logits_, count, a_.vocab_size);
  const Weight* head = &weights.head_or_embedding();
  backend_.linear(logits, normed, {&head, 1});
  return logits;
}

MatrixView Decoder::scratch(Matrix& buffer, int64_t rows, int64_t cols) {
  if (buffer.rows() * buffer.cols() < rows * cols) buffer = backend_.allocate(backend_.activation_dtype(), rows, cols);
  return {buffer.dtype(), buffer.view().data, rows, cols, cols};
}

void Decoder::set_input(Activations& x, int64_t cols) { x.input = scratch(x.input_memory, x.hidden.rows, cols); }

}  // namespace gptq
