// The kernel launches of one decoded token. For a layer of Llama:
//
//   norm → q k v │ attention (rotation, cache) │ o → residual │ norm → gate up → SiLU │ down → residual
//
// With more sequences than a decode linear supports, batch linears are used, with separate kernels for the preceding
// norms, and cuBLAS for dense weights. Each kernel requests its first weights before the previous kernel has finished
// (programmatic dependent launch).
#include "backend/cuda/decode/decode_launcher.h"

#include <algorithm>

#include "backend/cuda/elementwise/operations.h"

namespace gptq::backend::cuda {

namespace {

bool use_gemv_path(const Context& context, const CudaWeight& weight, int64_t rows) {
  return rows <= decode_rows(context, weight);
}

CudaWeights as_cuda(const std::vector<const Weight*>& weights) {
  CudaWeights result;
  for (const Weight* weight : weights) result.push_back(static_cast<const CudaWeight*>(weight));
  return result;
}

// Whether there are kernels for these weights, fused or separate.
bool has_kernels(const Context& context, std::span<const CudaWeight* const> weights, bool together, int64_t rows) {
  if (together && !can_fuse(weights)) return false;
  return std::all_of(weights.begin(), weights.end(), [&](const CudaWeight* w) {
    if (w->n % kTileRows != 0) return false;
    return !w->is_packed() || use_gemv_path(context, *w, rows) || BatchLinear::max_rows(context, *w) > 0;
  });
}

HeadShape head_shape(const AttentionStep& s) {
  return {s.heads, s.kv_heads, s.head_dim, s.scale, s.soft_cap, s.window};
}

bool launches_fit(const Context& context, const DecodeModel& model, const LaunchedLayer& layer) {
  const AttentionStep& first = model.layers[0].program->attention();
  for (const DecodeLaunch& launch : layer.launches) {
    if (const auto* linear = std::get_if<LinearLaunch>(&launch)) {
      const CudaWeights& weights = layer.linear_sets[static_cast<size_t>(linear->set)];
      if (!has_kernels(context, weights, linear->gated, model.sequences)) return false;
      if (linear->norm && (linear->norm->in.count % 4 != 0 || linear->norm->in.count > kMaxNormed)) return false;
    } else if (const auto* attention = std::get_if<AttentionLaunch>(&launch)) {
      const AttentionStep& a = attention->attention;
      // All layers share one workspace.
      if (a.head_dim % 8 != 0 || a.heads != first.heads || a.kv_heads != first.kv_heads ||
          a.head_dim != first.head_dim) {
        return false;
      }
    }
  }
  return true;
}

}  // namespace

std::vector<LaunchedLayer> plan_layers(const Context& context, const DecodeModel& model) {
  const auto* embedding = static_cast<const CudaWeight*>(model.embedding);
  const CudaWeight* const head[] = {static_cast<const CudaWeight*>(model.head)};
  if (embedding->is_packed() || !has_kernels(context, head, true, model.sequences)) return {};
  std::vector<LaunchedLayer> layers;
  for (const DecodeLayer& layer : model.layers) {
    auto launches = fuse(*layer.program);
    if (!launches) return {};
    LaunchedLayer planned{std::move(*launches), {}};
    for (const auto& set : layer.linear_sets) planned.linear_sets.push_back(as_cuda(set));
    if (!launches_fit(context, model, planned)) return {};
    layers.push_back(std::move(planned));
  }
  return layers;
}

DecodeLauncher::DecodeLauncher(Context& context, DType activations, const DecodeModel& model,
                               std::vector<LaunchedLayer> layers, const StepBuffers& buffers)
    : context_(context),
      dtype_(activations),
      model_(model),
      layers_(std::move(layers)),
      buffers_(buffers),
      batch_linear_(context) {
  const int64_t rows = model.sequences;
  const auto make = [&](DType dtype, int64_t cols) {
    memory_.emplace_back(context, static_cast<size_t>(rows * cols * size_of(dtype)));
    return MatrixView{dtype, memory_.back().as<std::byte>(), rows, cols, cols};
  };
  std::vector<int64_t> widths;
  int64_t inputs = 0, outputs = 0;
  for (const DecodeLayer& layer : model.layers) {
    const LayerProgram& program = *layer.program;
    widths.resize(std::max(widths.size(), program.slots.size()));
    for (size_t s = 0; s < program.slots.size(); ++s) widths[s] = std::max(widths[s], program.slots[s].columns);
    for (const LinearSet& set : program.linear_sets) {
      inputs = std::max(inputs, set.in_features());
      outputs = std::max(outputs, set.out_features());
    }
  }
  for (size_t s = 0; s < widths.size(); ++s) slots_.push_back(make(s == kResidual ? DType::kF32 : dtype_, widths[s]));
  logits_ = make(DType::kF32, model.head->out_features());
  // For linears that the decode kernel does not support.
  normed_ = make(dtype_, inputs);
  sorted_ = make(dtype_, inputs);
  outputs_ = make(dtype_, outputs);
  const HeadShape shape = head_shape(model.layers[0].program->attention());
  DecodeAttentionPlan most;
  for (int count = 1; count <= static_cast<int>(rows); ++count) {
    const DecodeAttentionPlan plan =
        plan_decode_attention(context, count, shape, 1, model.pages_per_sequence * model.page_size);
    most.workspace_floats = std::max(most.workspace_floats, plan.workspace_floats);
    most.counters = std::max(most.counters, plan.counters);
  }
  workspace_ = Buffer(context, most.workspace_floats * sizeof(float));
  counters_ = Buffer(context, static_cast<size_t>(most.counters) * sizeof(unsigned));
  GPTQ_CUDA(cudaMemsetAsync(counters_.as(), 0, counters_.bytes(), context.stream()));
}

MatrixView DecodeLauncher::slot(int index, int64_t count) const {
  return slots_[static_cast<size_t>(index)].row_range(0, count);
}

const float* DecodeLauncher::parameter(size_t layer, int index) const {
  return reinterpret_cast<const float*>(model_.layers[layer].parameters[static_cast<size_t>(index)].data);
}

void DecodeLauncher::launch(int64_t count) {
  const MatrixView residual = slot(kResidual, count);
  embed(context_, residual, buffers_.tokens, static_cast<const CudaWeight*>(model_.embedding)->dense());
  if (model_.embedding_scale != 1) scale(context_, residual, model_.embedding_scale);
  for (size_t i = 0; i < layers_.size(); ++i) launch_layer(i, count);
  launch_head(count);
}

void DecodeLauncher::launch_layer(size_t index, int64_t count) {
  for (const DecodeLaunch& launch : layers_[index].launches) {
    if (const auto* linear = std::get_if<LinearLaunch>(&launch)) {
      launch_linear(index, *linear, count);
    } else if (const auto* attention = std::get_if<AttentionLaunch>(&launch)) {
      launch_attention(index, *attention, count);
    } else if (const auto* step = std::get_if<NormStep>(&launch)) {
      const std::vector<MatrixView>& p = model_.layers[index].parameters;
      norm(context_, columns(step->out, count), columns(step->in, count), step->kind,
           p[static_cast<size_t>(step->weight)],
           step->bias == kNoParameter ? MatrixView{} : p[static_cast<size_t>(step->bias)], step->eps);
    } else if (const auto* a = std::get_if<ActivationStep>(&launch)) {
      activate(context_, columns(a->out, count), columns(a->in, count), a->kind, a->gated);
    } else {
      add(context_, slot(kResidual, count), columns(std::get<AddStep>(launch).from, count));
    }
  }
}

const CudaWeight* DecodeLauncher::next_weight(size_t layer, int set) const {
  if (static_cast<size_t>(set) + 1 < layers_[layer].linear_sets.size()) {
    return layers_[layer].linear_sets[static_cast<size_t>(set) + 1][0];
  }
  if (layer + 1 < layers_.size()) return layers_[layer + 1].linear_sets[0][0];
  return static_cast<const CudaWeight*>(model_.head);
}

const LinearLaunch* DecodeLauncher::reader_of(size_t layer, const LinearLaunch& gated) const {
  for (const DecodeLaunch& launch : layers_[layer].launches) {
    const auto* linear = std::get_if<LinearLaunch>(&launch);
    if (linear != nullptr && linear->in == gated.out && gated.gated) return linear;
  }
  return nullptr;
}

bool DecodeLauncher::orders_output(size_t layer, const LinearLaunch& gated, int64_t count) const {
  const CudaWeight& first = *layers_[layer].linear_sets[static_cast<size_t>(gated.set)][0];
  return reader_of(layer, gated) != nullptr && (first.is_packed() || use_gemv_path(context_, first, count));
}

void DecodeLauncher::launch_linear(size_t index, const LinearLaunch& launch, int64_t count) {
  const LaunchedLayer& layer = layers_[index];
  const CudaWeights& weights = layer.linear_sets[static_cast<size_t>(launch.set)];
  DecodeLinear p;
  p.weights = weights;
  p.rows = static_cast<int>(count);
  p.x = slot(launch.in, count);
  p.y = slot(launch.out, count);
  p.residual = launch.residual;
  p.gated = launch.gated;
  p.next = next_weight(index, launch.set);
  if (launch.norm) {
    p.norm = parameter(index, launch.norm->weight);
    p.norm_eps = launch.norm->eps;
  }
  if (launch.gated && orders_output(index, launch, count)) {
    const LinearLaunch* reader = reader_of(index, launch);
    p.output_perm = layer.linear_sets[static_cast<size_t>(reader->set)][0]->packed.inverse_perm;
  }
  for (const DecodeLaunch& other : layer.launches) {
    const auto* gated = std::get_if<LinearLaunch>(&other);
    if (gated != nullptr && gated->gated && gated->out == launch.in)
      p.sorted_input = orders_output(index, *gated, count);
  }
  if (can_fuse(weights)) return launch_fused(p, count);
  launch_parts(p, count);
}

// Weights that share an input but cannot be fused, one after the other.
void DecodeLauncher::launch_parts(DecodeLinear p, int64_t count) {
  const std::span<const CudaWeight* const> weights = p.weights;
  const MatrixView y = p.y;
  int64_t column = 0;
  for (const CudaWeight* const& weight : weights) {
    p.weights = {&weight, 1};
    p.y = p.residual ? y : y.column_range(column, weight->n);
    launch_fused(p, count);
    column += weight->n;
  }
}

void DecodeLauncher::launch_fused(DecodeLinear p, int64_t count) {
  const CudaWeight& first = *p.weights[0];
  if (use_gemv_path(context_, first, count)) return launch_decode_linear(context_, p, true);
  if (p.norm != nullptr) {
    const MatrixView normed{dtype_, normed_.data, count, p.x.cols, p.x.cols};
    norm_inputs(context_, normed, p.x, p.norm, p.norm_eps, first.packed.inverse_perm, true);
    p.x = normed;
    p.sorted_input = true;
  }
  if (!first.is_packed()) return launch_dense(p);
  if (first.packed.perm != nullptr && !p.sorted_input) {
    const MatrixView in_order{dtype_, sorted_.data, count, first.k, first.k};
    sort_inputs(context_, in_order, p.x, first.packed.perm);
    p.x = in_order;
  }
  const MatrixView x = p.x, y = p.y;
  const int64_t at_once = BatchLinear::max_rows(context_, first);
  for (int64_t row = 0; row < count; row += at_once) {
    p.rows = static_cast<int>(std::min(at_once, count - row));
    p.x = x.row_range(row, p.rows);
    p.y = y.row_range(row, p.rows);
    batch_linear_.launch(p, true);
  }
}

void DecodeLauncher::launch_dense(const DecodeLinear& p) {
  int64_t width = 0;
  for (const CudaWeight* weight : p.weights) width += weight->n;
  const bool direct = !p.residual && !p.gated;
  const MatrixView out = direct ? p.y : MatrixView{dtype_, outputs_.data, p.x.rows, width, width};
  int64_t column = 0;
  for (const CudaWeight* weight : p.weights) {
    dense_linear(context_, out.column_range(column, weight->n), p.x, weight->dense(), weight->bias());
    column += weight->n;
  }
  if (p.gated) activate(context_, p.y, out, Activation::kSilu, true);
  if (p.residual) add(context_, p.y, out);
}

void DecodeLauncher::launch_attention(size_t index, const AttentionLaunch& launch, int64_t count) {
  const DecodeLayer& layer = model_.layers[index];
  const AttentionStep& a = launch.attention;
  const MatrixView out = columns(a.out, count), q = columns(a.q, count);
  const RopeAngles& angles = model_.ropes[static_cast<size_t>(launch.rope.table)];
  FusedDecodeAttention p;
  p.dtype = dtype_;
  p.out = out.data;
  p.out_stride = out.stride;
  p.qkv = q.data;
  p.qkv_stride = q.stride;
  p.kv = {layer.keys.data,
          layer.values.data,
          layer.keys.stride,
          buffers_.pages,
          static_cast<int>(model_.pages_per_sequence),
          static_cast<int>(model_.page_size)};
  p.shape = head_shape(a);
  p.positions = buffers_.positions;
  p.cos = reinterpret_cast<const float*>(angles.cos.data);
  p.sin = reinterpret_cast<const float*>(angles.sin.data);
  p.rotary_dim = static_cast<int>(launch.rope.rotary_dim);
  p.interleaved = launch.rope.interleaved;
  if (launch.q_norm) {
    p.q_norm = parameter(index, launch.q_norm->weight);
    p.k_norm = parameter(index, launch.k_norm->weight);
    p.q_norm_eps = launch.q_norm->eps;
    p.k_norm_eps = launch.k_norm->eps;
  }
  p.batch = static_cast<int>(count);
  p.workspace = workspace_.as<float>();
  p.counters = counters_.as<unsigned>();
  p.splits = plan_decode_attention(context_, p.batch, p.shape, 1, model_.pages_per_sequence * model_.page_size).splits;
  launch_decode_attention(context_, p, true);
}

void DecodeLauncher::launch_head(int64_t count) {
  const NormStep& n = model_.final_norm;
  const MatrixView residual = slot(kResidual, count), logits = logits_.row_range(0, count);
  const MatrixView& weight = model_.final_parameters[static_cast<size_t>(n.weight)];
  const CudaWeight* const head[] = {static_cast<const CudaWeight*>(model_.head)};
  DecodeLinear p;
  p.weights = head;
  p.rows = static_cast<int>(count);
  p.x = residual;
  p.y = logits;
  if (n.kind == NormKind::kRms && n.bias == kNoParameter && residual.cols % 4 == 0 && residual.cols <= kMaxNormed) {
    p.norm = reinterpret_cast<const float*>(weight.data);
    p.norm_eps = n.eps;
  } else {
    p.x = {dtype_, normed_.data, count, residual.cols, residual.cols};
    norm(context_, p.x, residual, n.kind, weight,
         n.bias == kNoParameter ? MatrixView{} : model_.final_parameters[static_cast<size_t>(n.bias)], n.eps);
  }
  launch_fused(p, count);
  if (model_.logit_soft_cap > 0) soft_cap(context_, logits, model_.logit_soft_cap);
}

}  // namespace gptq::backend::cuda
