// One backend operation for each step.
#include "model/transformer.h"

#include <algorithm>

namespace gptq::model {

namespace {

std::vector<const Weight*> pointers(const Linears& linears) {
  std::vector<const Weight*> result;
  for (const auto& weight : linears) result.push_back(weight.get());
  return result;
}

MatrixView parameter(const std::vector<Matrix>& parameters, int index) {
  return index == kNoParameter ? MatrixView{} : parameters[static_cast<size_t>(index)].view();
}

}  // namespace

// The steps of one layer over one batch.
class Transformer::Pass {
 public:
  Pass(Transformer& owner, int64_t index, const LayerWeights& weights, Activations& x, const BatchRows& rows,
       const KvCache* cache)
      : t_(owner),
        index_(index),
        program_(owner.a_.program(index)),
        weights_(weights),
        x_(x),
        rows_(rows),
        cache_(cache) {}

  void operator()(const NormStep& s) const {
    t_.backend_.norm(view(s.out), view(s.in), s.kind, parameter(weights_.parameters, s.weight),
                     parameter(weights_.parameters, s.bias), s.eps);
  }
  void operator()(const LinearStep& s) const {
    const LinearSet& set = program_.linear_sets[static_cast<size_t>(s.set)];
    t_.backend_.linear(whole(set.out), whole(set.in), pointers(weights_.linear_sets[static_cast<size_t>(s.set)]));
  }
  void operator()(const RopeStep& s) const {
    const backend::RopeAngles angles = t_.ropes_[static_cast<size_t>(s.table)].angles(rows_.longest());
    t_.backend_.rope(view(s.x), {static_cast<int>(s.head_dim), s.interleaved, angles}, rows_);
  }
  void operator()(const AttentionStep& s) const {
    backend::AttentionArgs args;
    args.q = view(s.q);
    args.keys = view(s.k);
    args.values = view(s.v);
    if (cache_ != nullptr) {
      const KvCache::Layer& layer = cache_->layer(index_);
      t_.backend_.append(layer.keys.view(), args.keys, rows_);
      t_.backend_.append(layer.values.view(), args.values, rows_);
      args.keys = layer.keys.view();
      args.values = layer.values.view();
    }
    args.heads = s.heads;
    args.kv_heads = s.kv_heads;
    args.head_dim = s.head_dim;
    args.scale = s.scale;
    args.soft_cap = s.soft_cap;
    args.window = s.window;
    t_.backend_.attention(view(s.out), args, rows_);
  }
  void operator()(const ActivationStep& s) const { t_.backend_.activate(view(s.out), view(s.in), s.kind, s.gated); }
  void operator()(const AddStep& s) const { t_.backend_.add(x_.residual, view(s.from)); }

  MatrixView whole(int slot) const {
    const backend::Slot& s = program_.slots[static_cast<size_t>(slot)];
    if (slot == kResidual) return x_.residual;
    return t_.scratch(t_.buffer(program_, s.buffer, x_, x_.residual.rows), t_.backend_.activation_dtype(),
                      x_.residual.rows, s.columns);
  }

 private:
  MatrixView view(const Columns& columns) const {
    return whole(columns.slot).column_range(columns.begin, columns.count);
  }

  Transformer& t_;
  int64_t index_;
  const LayerProgram& program_;
  const LayerWeights& weights_;
  Activations& x_;
  const BatchRows& rows_;
  const KvCache* cache_;
};

Transformer::Transformer(const Architecture& architecture, Backend& backend) : a_(architecture), backend_(backend) {
  for (const RopeSpec& rope : architecture.ropes) ropes_.emplace_back(rope, backend);
}

void Transformer::embed(Activations& x, std::span<const int> tokens, const Weight& table) {
  x.residual = scratch(x.residual_memory, DType::kF32, static_cast<int64_t>(tokens.size()), a_.hidden_size);
  embed(x.residual, tokens, table);
}

void Transformer::embed(MatrixView residual, std::span<const int> tokens, const Weight& table) {
  backend_.embed(residual, tokens, table);
  if (a_.embedding_scale != 1) backend_.scale(residual, a_.embedding_scale);
}

void Transformer::copy(Activations& to, const Activations& from) {
  to.residual = scratch(to.residual_memory, DType::kF32, from.residual.rows, a_.hidden_size);
  backend_.copy(to.residual, from.residual);
}

void Transformer::reserve(Activations& x, int64_t rows) {
  for (const LayerProgram& program : a_.programs) {
    for (int index = 0; index < program.kept_buffers; ++index) buffer(program, index, x, rows);
  }
}

void Transformer::run(int64_t index, int begin, int end, const LayerWeights& weights, Activations& x,
                      const BatchRows& rows, const KvCache* cache) {
  CHECK(rows.rows() == x.residual.rows && (cache != nullptr) == rows.has_cache());
  const Pass pass(*this, index, weights, x, rows, cache);
  const LayerProgram& program = a_.program(index);
  for (int step = begin; step < end; ++step) std::visit(pass, program.steps[static_cast<size_t>(step)]);
}

void Transformer::run_layer(int64_t index, const LayerWeights& weights, Activations& x, const BatchRows& rows,
                            const KvCache* cache) {
  run(index, 0, a_.program(index).end(), weights, x, rows, cache);
}

MatrixView Transformer::input_of(int64_t index, int set, Activations& x) {
  const LayerWeights none;
  const BatchRows rows;
  const Pass pass(*this, index, none, x, rows, nullptr);
  return pass.whole(a_.program(index).linear_sets[static_cast<size_t>(set)].in);
}

MatrixView Transformer::logits(const ModelWeights& weights, const Activations& x, std::span<const int> rows) {
  const int64_t count = static_cast<int64_t>(rows.size());
  MatrixView chosen = x.residual;
  if (!rows.empty() && rows.back() - rows.front() + 1 == count) {
    chosen = x.residual.row_range(rows.front(), count);
  } else {
    chosen = scratch(chosen_, DType::kF32, count, a_.hidden_size);
    backend_.gather_rows(chosen, x.residual, rows);
  }
  const MatrixView normed = scratch(normed_, backend_.activation_dtype(), count, a_.hidden_size);
  backend_.norm(normed, chosen, a_.final_norm.kind, parameter(weights.final_parameters, a_.final_norm.weight),
                parameter(weights.final_parameters, a_.final_norm.bias), a_.final_norm.eps);
  const MatrixView logits = scratch(logits_, DType::kF32, count, a_.vocab_size);
  const Weight* head = &weights.head_or_embedding();
  backend_.linear(logits, normed, {&head, 1});
  if (a_.logit_soft_cap > 0) backend_.soft_cap(logits, a_.logit_soft_cap);
  return logits;
}

std::unique_ptr<DecodeRunner> Transformer::make_decode_runner(const ModelWeights& weights, const KvCache& cache,
                                                              int64_t sequences, int64_t positions, int vocabulary) {
  if (a_.depends_on_length()) return nullptr;
  backend::DecodeModel model;
  model.embedding = weights.embedding.get();
  model.embedding_scale = a_.embedding_scale;
  for (size_t i = 0; i < weights.layers.size(); ++i) {
    const LayerWeights& layer = weights.layers[i];
    backend::DecodeLayer& decode = model.layers.emplace_back();
    decode.program = &a_.program(static_cast<int64_t>(i));
    for (const Matrix& vector : layer.parameters) decode.parameters.push_back(vector.view());
    for (const Linears& set : layer.linear_sets) decode.linear_sets.push_back(pointers(set));
    decode.keys = cache.layer(static_cast<int64_t>(i)).keys.view();
    decode.values = cache.layer(static_cast<int64_t>(i)).values.view();
  }
  for (RopeTable& rope : ropes_) model.ropes.push_back(rope.angles(positions));
  model.final_norm = a_.final_norm;
  for (const Matrix& vector : weights.final_parameters) model.final_parameters.push_back(vector.view());
  model.head = &weights.head_or_embedding();
  model.logit_soft_cap = a_.logit_soft_cap;
  model.sequences = sequences;
  model.page_size = KvCache::kPageSize;
  model.pages_per_sequence = KvCache::pages_for(positions);
  model.vocabulary = vocabulary;
  return backend_.make_decode_runner(model);
}

void Transformer::release() {
  for (Matrix* memory : {&logits_, &normed_, &chosen_}) *memory = {};
  scratch_.clear();
}

Matrix& Transformer::buffer(const LayerProgram& program, int index, Activations& x, int64_t rows) {
  std::vector<Matrix>& buffers = index < program.kept_buffers ? x.kept : scratch_;
  const size_t at = static_cast<size_t>(index < program.kept_buffers ? index : index - program.kept_buffers);
  if (buffers.size() <= at) buffers.resize(at + 1);
  // Scratch buffers grow with the slots that use them: a pass over part of a layer may need less.
  if (index < program.kept_buffers) {
    scratch(buffers[at], backend_.activation_dtype(), rows, program.buffers[static_cast<size_t>(index)]);
  }
  return buffers[at];
}

MatrixView Transformer::scratch(Matrix& buffer, DType dtype, int64_t rows, int64_t cols) {
  if (buffer.dtype() != dtype || buffer.rows() * buffer.cols() < rows * cols) {
    buffer = {};
    buffer = backend_.allocate(dtype, rows, cols);
  }
  return {dtype, buffer.view().data, rows, cols, cols};
}

}  // namespace gptq::model
