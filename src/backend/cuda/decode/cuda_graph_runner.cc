// What one decoded token launches, and how the launches become a graph.
//
//   embed │ norm → q k v │ attention (rotation, cache) │ o → residual │ norm → gate up → SiLU │ down → residual │ … │
//   norm → head │ choose
//
// More sequences than a decode linear has rows go through batch linears, with the norms in front as their own kernels,
// and dense weights through cuBLAS.
//
// Each kernel asks for its first weights before the one in front has finished (programmatic dependent launch). The
// chosen tokens and the positions stay on the device as the next launch's input; the host hands over the uniforms of the
// draws and reads tokens through rings of pinned memory, a few launches behind. How tokens are chosen is data on the
// device too: another request needs no other graph.
#include "backend/cuda/decode/cuda_graph_runner.h"

#include <algorithm>
#include <array>

#include "backend/cuda/attention/attention.h"
#include "backend/cuda/elementwise/operations.h"
#include "backend/cuda/linear/batch_linear.h"
#include "backend/cuda/linear/decode_linear.h"
#include "backend/cuda/sampling/sample.h"
#include "backend/sampling/sample.h"

namespace gptq::cuda {

namespace {

bool use_gemv_path(const Context& context, std::span<const CudaWeight* const> weights, int64_t rows) {
  return rows <= decode_rows(context, *weights[0]);
}

std::vector<const CudaWeight*> as_cuda(const std::vector<const Weight*>& weights) {
  std::vector<const CudaWeight*> result;
  for (const Weight* weight : weights) result.push_back(static_cast<const CudaWeight*>(weight));
  return result;
}

// Owns a captured graph and what it runs on.
class CudaGraphRunner final : public DecodeRunner {
 public:
  CudaGraphRunner(Context& context, DType activations, const StepModel& model)
      : context_(context), dtype_(activations), model_(model), batch_(model.pages.pages.rows), batch_linear_(context) {
    const StepLayer& layer = model.layers[0];
    width_ = layer.input_norm.cols;
    const int64_t heads_width = int64_t{model.heads} * model.head_dim,
                  kv_width = int64_t{model.kv_heads} * model.head_dim;
    const int64_t inner = layer.groups[3][0]->in_features();
    const auto make = [&](Buffer& memory, DType dtype, int64_t cols) {
      memory = Buffer(context, static_cast<size_t>(batch_ * cols * size_of(dtype)));
      return MatrixView{dtype, memory.as(), batch_, cols, cols};
    };
    hidden_ = make(memory_[0], DType::kF32, width_);
    qkv_ = make(memory_[1], dtype_, heads_width + 2 * kv_width);
    attended_ = make(memory_[2], dtype_, heads_width);
    inner_ = make(memory_[3], dtype_, inner);
    logits_ = make(memory_[4], DType::kF32, model.head->out_features());
    // Of linears that the decode kernel does not take.
    normed_ = make(memory_[5], dtype_, width_);
    sorted_ = make(memory_[6], dtype_, std::max({width_, heads_width, inner}));
    outputs_ = make(memory_[7], dtype_, std::max(width_, 2 * inner));
    tokens_ = Buffer(context, static_cast<size_t>(batch_) * 4);
    positions_ = Buffer(context, static_cast<size_t>(batch_) * 4);
    const int64_t capacity = model.pages.pages.cols * model.pages.page_size;
    plan_ = plan_decode_attention(static_cast<int>(batch_), model.heads, model.kv_heads, model.head_dim, capacity,
                                  context.multiprocessors());
    workspace_ = Buffer(context, plan_.workspace_floats * 4);
    counters_ = Buffer(context, static_cast<size_t>(plan_.counters) * 4);
    GPTQ_CUDA(cudaMemsetAsync(counters_.as(), 0, counters_.bytes(), context.stream()));
    sampling_ = Buffer(context, static_cast<size_t>(batch_) * sizeof(Sampling));
    seen_ = Buffer(context, static_cast<size_t>(batch_ * model.vocabulary));
    const size_t slots = kSlots * static_cast<size_t>(batch_);
    GPTQ_CUDA(cudaMallocHost(reinterpret_cast<void**>(&record_), slots * sizeof(int32_t)));
    GPTQ_CUDA(cudaMallocHost(reinterpret_cast<void**>(&uniforms_), slots * sizeof(double)));
    for (size_t slot = 0; slot < kSlots; ++slot) {
      GPTQ_CUDA(cudaEventCreateWithFlags(&done_[slot], cudaEventDisableTiming));
      capture(slot);
    }
  }

  ~CudaGraphRunner() override {
    cudaStreamSynchronize(context_.stream());
    for (size_t slot = 0; slot < kSlots; ++slot) {
      if (graphs_[slot] != nullptr) cudaGraphExecDestroy(graphs_[slot]);
      if (done_[slot] != nullptr) cudaEventDestroy(done_[slot]);
    }
    cudaFreeHost(record_);
    cudaFreeHost(uniforms_);
  }

  void reset(std::span<const StepSequence> sequences) override {
    CHECK(static_cast<int64_t>(sequences.size()) == batch_);
    std::vector<int32_t> tokens, positions;
    std::vector<Sampling> sampling;
    for (const StepSequence& sequence : sequences) {
      tokens.push_back(sequence.token);
      positions.push_back(sequence.position);
      sampling.push_back(sequence.sampling);
    }
    upload(tokens_, tokens);
    upload(positions_, positions);
    upload(sampling_, sampling);
    if (std::any_of(sampling.begin(), sampling.end(), [](auto& s) { return s.repetition_penalty != 1.0f; })) {
      upload(seen_, marks_of_seen(sequences));
    }
    completed_ = submitted_;
  }

  void submit(std::span<const double> uniforms) override {
    CHECK(submitted_ - completed_ < kMaxInFlight &&
          (uniforms.empty() || static_cast<int64_t>(uniforms.size()) == batch_));
    const size_t slot = submitted_++ % kSlots;
    // A forgotten launch may still be reading this slot: nobody wants its token.
    std::copy(uniforms.begin(), uniforms.end(), uniforms_ + slot * static_cast<size_t>(batch_));
    GPTQ_CUDA(cudaGraphLaunch(graphs_[slot], context_.stream()));
    GPTQ_CUDA(cudaEventRecord(done_[slot], context_.stream()));
  }

  std::vector<int> wait() override {
    CHECK(completed_ < submitted_);
    const size_t slot = completed_++ % kSlots;
    GPTQ_CUDA(cudaEventSynchronize(done_[slot]));
    const int32_t* record = record_ + static_cast<int64_t>(slot) * batch_;
    std::vector<int> tokens(record, record + batch_);
    for (const int token : tokens) require_sampled(token);
    return tokens;
  }

  MatrixView logits() override { return logits_; }

 private:
  static constexpr size_t kSlots = kMaxInFlight + 1;

  template <typename T>
  void upload(const Buffer& to, const std::vector<T>& from) {
    context_.upload(to.as(), from.data(), from.size() * sizeof(T));
  }

  std::vector<uint8_t> marks_of_seen(std::span<const StepSequence> sequences) const {  // [B, vocabulary]
    std::vector<uint8_t> marks(seen_.bytes());
    for (size_t b = 0; b < sequences.size(); ++b) {
      for (const int id : sequences[b].seen) {
        if (id < model_.vocabulary) marks[b * static_cast<size_t>(model_.vocabulary) + static_cast<size_t>(id)] = 1;
      }
    }
    return marks;
  }

  void capture(size_t slot) {
    GPTQ_CUDA(cudaStreamBeginCapture(context_.stream(), cudaStreamCaptureModeThreadLocal));
    queue(slot);
    cudaGraph_t graph = nullptr;
    GPTQ_CUDA(cudaStreamEndCapture(context_.stream(), &graph));
    GPTQ_CUDA(cudaGraphInstantiate(&graphs_[slot], graph, 0));
    GPTQ_CUDA(cudaGraphDestroy(graph));
  }

  // A linear of the whole batch; the caller says what surrounds it.
  DecodeLinear linear(std::span<const CudaWeight* const> weights, MatrixView x, MatrixView y) const {
    DecodeLinear p;
    p.weights = weights;
    p.rows = static_cast<int>(batch_);
    p.x = x;
    p.norm_eps = model_.rms_norm_eps;
    p.y = y;
    return p;
  }

  void launch_linear(DecodeLinear p) {
    const CudaWeight& first = *p.weights[0];
    if (use_gemv_path(context_, p.weights, batch_)) return launch_decode_linear(context_, p, true);
    if (p.norm != nullptr) {
      norm_inputs(context_, normed_, p.x, p.norm, p.norm_eps, first.packed.inverse_perm, true);
      p.x = normed_;
      p.sorted_input = true;
    }
    if (!first.is_packed()) return launch_dense(p);
    if (first.packed.perm != nullptr && !p.sorted_input) {
      const MatrixView in_order = sorted_.column_range(0, first.k);
      sort_inputs(context_, in_order, p.x, first.packed.perm);
      p.x = in_order;
    }
    const MatrixView x = p.x, y = p.y;
    const int64_t at_once = BatchLinear::most_rows(context_, first);
    for (int64_t row = 0; row < batch_; row += at_once) {
      p.rows = static_cast<int>(std::min(at_once, batch_ - row));
      p.x = x.row_range(row, p.rows);
      p.y = y.row_range(row, p.rows);
      batch_linear_.launch(p, true);
    }
  }

  void launch_dense(const DecodeLinear& p) {
    int64_t width = 0;
    for (const CudaWeight* weight : p.weights) width += weight->n;
    const bool direct = !p.residual && !p.gated;
    const MatrixView out = direct ? p.y : outputs_.column_range(0, width);
    int64_t column = 0;
    for (const CudaWeight* weight : p.weights) {
      dense_linear(context_, out.column_range(column, weight->n), p.x, weight->dense(), weight->bias());
      column += weight->n;
    }
    if (p.gated) silu_multiply(context_, p.y, out);
    if (p.residual) add(context_, p.y, out);
  }

  void attention(const StepLayer& layer) {
    DecodeAttentionProblem p;
    p.dtype = dtype_;
    p.out = attended_.data;
    p.out_stride = attended_.stride;
    p.qkv = qkv_.data;
    p.qkv_stride = qkv_.stride;
    p.keys = layer.keys.data;
    p.values = layer.values.data;
    p.kv_stride = layer.keys.stride;
    p.pages = reinterpret_cast<const int32_t*>(model_.pages.pages.data);
    p.pages_per_sequence = static_cast<int>(model_.pages.pages.cols);
    p.page_size = static_cast<int>(model_.pages.page_size);
    p.positions = positions_.as<int32_t>();
    p.cos = reinterpret_cast<const float*>(model_.cos.data);
    p.sin = reinterpret_cast<const float*>(model_.sin.data);
    p.q_norm = reinterpret_cast<const float*>(layer.q_norm.data);
    p.k_norm = reinterpret_cast<const float*>(layer.k_norm.data);
    p.norm_eps = model_.rms_norm_eps;
    p.batch = static_cast<int>(batch_);
    p.heads = model_.heads;
    p.kv_heads = model_.kv_heads;
    p.head_dim = model_.head_dim;
    p.scale = model_.attention_scale;
    p.window = layer.window;
    p.workspace = workspace_.as<float>();
    p.counters = counters_.as<unsigned>();
    p.splits = plan_.splits;
    launch_decode_attention(context_, p, true);
  }

  void queue(size_t slot) {
    embed(context_, hidden_, tokens_.as<int32_t>(), static_cast<const CudaWeight*>(model_.embedding)->dense());
    for (size_t i = 0; i < model_.layers.size(); ++i) {
      const StepLayer& layer = model_.layers[i];
      std::array<std::vector<const CudaWeight*>, 4> weights;
      std::transform(layer.groups.begin(), layer.groups.end(), weights.begin(), as_cuda);

      DecodeLinear qkv = linear(weights[0], hidden_, qkv_);
      qkv.norm = reinterpret_cast<const float*>(layer.input_norm.data);
      qkv.next = weights[1][0];
      launch_linear(qkv);
      attention(layer);
      DecodeLinear o = linear(weights[1], attended_, hidden_);
      o.residual = true;
      o.next = weights[2][0];
      launch_linear(o);

      const bool last = i + 1 == model_.layers.size();
      DecodeLinear gate_up = linear(weights[2], hidden_, inner_);
      gate_up.norm = reinterpret_cast<const float*>(layer.post_attention_norm.data);
      gate_up.gated = true;
      gate_up.next = weights[3][0];
      DecodeLinear down = linear(weights[3], inner_, hidden_);
      down.residual = true;
      down.next = static_cast<const CudaWeight*>(last ? model_.head : model_.layers[i + 1].groups[0][0]);
      if (weights[2][0]->is_packed() || use_gemv_path(context_, weights[2], batch_)) {
        gate_up.output_perm = weights[3][0]->packed.inverse_perm;
        down.sorted_input = true;
      }
      launch_linear(gate_up);
      launch_linear(down);
    }
    const CudaWeight* const head[] = {static_cast<const CudaWeight*>(model_.head)};
    DecodeLinear logits = linear(head, hidden_, logits_);
    logits.norm = reinterpret_cast<const float*>(model_.final_norm.data);
    launch_linear(logits);
    choose(slot);
  }

  void choose(size_t slot) {
    SampleArgs p;
    p.logits = reinterpret_cast<const float*>(logits_.data);
    p.stride = logits_.stride;
    p.batch = static_cast<int>(batch_);
    p.vocabulary = model_.vocabulary;
    p.sampling = sampling_.as<Sampling>();
    p.uniforms = uniforms_ + slot * static_cast<size_t>(batch_);
    p.seen = seen_.as<uint8_t>();
    p.tokens = tokens_.as<int32_t>();
    p.positions = positions_.as<int32_t>();
    p.record = record_ + slot * static_cast<size_t>(batch_);
    launch_sample(context_, p, true);
  }

  Context& context_;
  DType dtype_;
  StepModel model_;
  int64_t batch_, width_ = 0;
  BatchLinear batch_linear_;
  std::array<Buffer, 8> memory_;
  MatrixView hidden_, qkv_, attended_, inner_, logits_, normed_, sorted_, outputs_;
  Buffer tokens_, positions_, sampling_, workspace_, counters_;
  Buffer seen_;  // [B, vocabulary] bytes
  DecodeAttentionPlan plan_;
  int32_t* record_ = nullptr;   // pinned [slots, B]
  double* uniforms_ = nullptr;  // pinned [slots, B]
  std::array<cudaGraphExec_t, kSlots> graphs_{};
  std::array<cudaEvent_t, kSlots> done_{};
  size_t submitted_ = 0, completed_ = 0;
};

}  // namespace

std::unique_ptr<DecodeRunner> make_decode_runner(Context& context, DType activations, const StepModel& model) {
  const int64_t batch = model.pages.pages.rows;
  if (static_cast<const CudaWeight*>(model.embedding)->is_packed() || model.head_dim % 8 != 0) return nullptr;
  const auto fits = [&](std::span<const CudaWeight* const> weights) {
    return can_fuse(weights) && (!weights[0]->is_packed() || use_gemv_path(context, weights, batch) ||
                                 BatchLinear::most_rows(context, *weights[0]) > 0);
  };
  const CudaWeight* const head[] = {static_cast<const CudaWeight*>(model.head)};
  if (!fits(head)) return nullptr;
  for (const StepLayer& layer : model.layers) {
    if (layer.input_norm.cols % 4 != 0 || layer.input_norm.cols > kMostNormed) return nullptr;
    for (const std::vector<const Weight*>& group : layer.groups) {
      if (!fits(as_cuda(group))) return nullptr;
    }
  }
  return std::make_unique<CudaGraphRunner>(context, activations, model);
}

}  // namespace gptq::cuda
