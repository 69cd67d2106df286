// Decode steps as captured graphs.
//
// The sampled tokens and the positions stay on the device as the next submission's input; the host writes the uniforms
// of the draws and reads tokens through rings of pinned memory, a few submissions later. Sampling parameters and the
// pages of sequences are data on the device too, so the same graph serves other requests. A graph is captured for each
// number of sequences when it first occurs.
#include "backend/cuda/decode/cuda_graph_runner.h"

#include <algorithm>
#include <array>
#include <map>

#include "backend/cuda/decode/decode_launcher.h"
#include "backend/cuda/sampling/sample.h"
#include "backend/sampling/sample.h"

namespace gptq::backend::cuda {

namespace {

// Owns captured graphs and the memory they use.
class CudaGraphRunner final : public DecodeRunner {
 public:
  CudaGraphRunner(Context& context, DType activations, const DecodeModel& model, std::vector<LaunchedLayer> layers)
      : context_(context),
        model_(model),
        capacity_(static_cast<size_t>(model.sequences)),
        tokens_(context, capacity_ * sizeof(int32_t)),
        positions_(context, capacity_ * sizeof(int32_t)),
        pages_(context, capacity_ * static_cast<size_t>(model.pages_per_sequence) * sizeof(int32_t)),
        sampling_(context, capacity_ * sizeof(Sampling)),
        seen_(context, capacity_ * static_cast<size_t>(model.vocabulary)),
        launcher_(context, activations, model_, std::move(layers),
                  {tokens_.as<int32_t>(), positions_.as<int32_t>(), pages_.as<int32_t>()}) {
    GPTQ_CUDA(cudaMallocHost(reinterpret_cast<void**>(&record_), kSlots * capacity_ * sizeof(int32_t)));
    GPTQ_CUDA(cudaMallocHost(reinterpret_cast<void**>(&uniforms_), kSlots * capacity_ * sizeof(double)));
    for (cudaEvent_t& done : done_) GPTQ_CUDA(cudaEventCreateWithFlags(&done, cudaEventDisableTiming));
  }

  ~CudaGraphRunner() override {
    cudaStreamSynchronize(context_.stream());
    for (auto& [count, graphs] : graphs_) {
      for (cudaGraphExec_t graph : graphs) {
        if (graph != nullptr) cudaGraphExecDestroy(graph);
      }
    }
    for (cudaEvent_t done : done_) {
      if (done != nullptr) cudaEventDestroy(done);
    }
    cudaFreeHost(record_);
    cudaFreeHost(uniforms_);
  }

  void reset(std::span<const DecodeSequence> sequences) override {
    CHECK(!sequences.empty() && sequences.size() <= capacity_);
    count_ = sequences.size();
    std::vector<int32_t> tokens, positions, pages;
    std::vector<Sampling> sampling;
    for (const DecodeSequence& sequence : sequences) {
      CHECK(static_cast<int64_t>(sequence.pages.size()) <= model_.pages_per_sequence);
      tokens.push_back(sequence.token);
      positions.push_back(sequence.position);
      sampling.push_back(sequence.sampling);
      pages.insert(pages.end(), sequence.pages.begin(), sequence.pages.end());
      pages.resize(tokens.size() * static_cast<size_t>(model_.pages_per_sequence));
    }
    upload(tokens_, tokens);
    upload(positions_, positions);
    upload(pages_, pages);
    upload(sampling_, sampling);
    if (std::any_of(sampling.begin(), sampling.end(), [](auto& s) { return s.repetition_penalty != 1.0f; })) {
      upload(seen_, marks_of_seen(sequences));
    }
    completed_ = submitted_;
    graphs_of_count();
  }

  void submit(std::span<const double> uniforms) override {
    CHECK(submitted_ - completed_ < kMaxInFlight && (uniforms.empty() || uniforms.size() == count_));
    const size_t slot = submitted_++ % kSlots;
    // A discarded submission may still read this slot; its token is ignored.
    std::copy(uniforms.begin(), uniforms.end(), uniforms_ + slot * capacity_);
    GPTQ_CUDA(cudaGraphLaunch(graphs_of_count()[slot], context_.stream()));
    GPTQ_CUDA(cudaEventRecord(done_[slot], context_.stream()));
  }

  std::vector<int> wait() override {
    CHECK(completed_ < submitted_);
    const size_t slot = completed_++ % kSlots;
    GPTQ_CUDA(cudaEventSynchronize(done_[slot]));
    const int32_t* record = record_ + slot * capacity_;
    std::vector<int> tokens(record, record + count_);
    for (const int token : tokens) require_sampled(token);
    return tokens;
  }

  MatrixView logits() override { return launcher_.logits().row_range(0, static_cast<int64_t>(count_)); }

 private:
  static constexpr size_t kSlots = kMaxInFlight + 1;
  using Graphs = std::array<cudaGraphExec_t, kSlots>;

  template <typename T>
  void upload(const Buffer& to, const std::vector<T>& from) {
    context_.upload(to.as(), from.data(), from.size() * sizeof(T));
  }

  std::vector<uint8_t> marks_of_seen(std::span<const DecodeSequence> sequences) const {  // [count, vocabulary]
    const size_t vocabulary = static_cast<size_t>(model_.vocabulary);
    std::vector<uint8_t> marks(sequences.size() * vocabulary);
    for (size_t s = 0; s < sequences.size(); ++s) {
      for (const int id : sequences[s].seen) {
        if (id < model_.vocabulary) marks[s * vocabulary + static_cast<size_t>(id)] = 1;
      }
    }
    return marks;
  }

  // The graphs of the current number of sequences, one for each slot of the rings.
  const Graphs& graphs_of_count() {
    const auto [found, added] = graphs_.try_emplace(count_);
    for (size_t slot = 0; added && slot < kSlots; ++slot) found->second[slot] = capture(slot);
    return found->second;
  }

  cudaGraphExec_t capture(size_t slot) {
    GPTQ_CUDA(cudaStreamBeginCapture(context_.stream(), cudaStreamCaptureModeThreadLocal));
    launcher_.launch(static_cast<int64_t>(count_));
    sample(slot);
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
    GPTQ_CUDA(cudaStreamEndCapture(context_.stream(), &graph));
    GPTQ_CUDA(cudaGraphInstantiate(&executable, graph, 0));
    GPTQ_CUDA(cudaGraphDestroy(graph));
    return executable;
  }

  void sample(size_t slot) {
    SampleArgs p;
    p.logits = reinterpret_cast<const float*>(launcher_.logits().data);
    p.stride = launcher_.logits().stride;
    p.batch = static_cast<int>(count_);
    p.vocabulary = model_.vocabulary;
    p.sampling = sampling_.as<Sampling>();
    p.uniforms = uniforms_ + slot * capacity_;
    p.seen = seen_.as<uint8_t>();
    p.tokens = tokens_.as<int32_t>();
    p.positions = positions_.as<int32_t>();
    p.record = record_ + slot * capacity_;
    launch_sample(context_, p, true);
  }

  Context& context_;
  const DecodeModel model_;
  size_t capacity_, count_ = 0;  // number of sequences: maximum and current
  Buffer tokens_, positions_, pages_, sampling_;
  Buffer seen_;  // [B, vocabulary] bytes
  DecodeLauncher launcher_;
  int32_t* record_ = nullptr;   // pinned [slots, B]
  double* uniforms_ = nullptr;  // pinned [slots, B]
  std::map<size_t, Graphs> graphs_;
  std::array<cudaEvent_t, kSlots> done_{};
  size_t submitted_ = 0, completed_ = 0;
};

}  // namespace

std::unique_ptr<DecodeRunner> make_decode_runner(Context& context, DType activations, const DecodeModel& model) {
  std::vector<LaunchedLayer> layers = plan_layers(context, model);
  if (layers.empty()) return nullptr;
  return std::make_unique<CudaGraphRunner>(context, activations, model, std::move(layers));
}

}  // namespace gptq::backend::cuda
