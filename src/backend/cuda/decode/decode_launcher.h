// The launches of one decode step for any number of sequences, in shared buffers.
#pragma once

#include <span>
#include <vector>

#include "backend/cuda/attention/attention.h"
#include "backend/cuda/decode/fuse.h"
#include "backend/cuda/device/context.h"
#include "backend/cuda/linear/batch_linear.h"
#include "backend/cuda/linear/decode_linear.h"
#include "backend/decode_runner.h"

namespace gptq::backend::cuda {

using CudaWeights = std::vector<const CudaWeight*>;

// A layer as the launcher uses it.
struct LaunchedLayer {
  std::vector<DecodeLaunch> launches;
  std::vector<CudaWeights> linear_sets;
};

// The fused layers of a model; empty if the kernels do not support a step or shape of one of them.
std::vector<LaunchedLayer> plan_layers(const Context& context, const DecodeModel& model);

// Inputs and outputs of a step, in device memory.
struct StepBuffers {
  int32_t* tokens = nullptr;       // [B]
  int32_t* positions = nullptr;    // [B]
  const int32_t* pages = nullptr;  // [B, pages_per_sequence]
};

class DecodeLauncher {
 public:
  DecodeLauncher(Context& context, DType activations, const DecodeModel& model, std::vector<LaunchedLayer> layers,
                 const StepBuffers& buffers);

  // Queues everything from the tokens to the logits of the first `count` sequences.
  void launch(int64_t count);

  MatrixView logits() const { return logits_; }  // [B, V]

 private:
  void launch_layer(size_t index, int64_t count);
  void launch_linear(size_t index, const LinearLaunch& launch, int64_t count);
  void launch_parts(DecodeLinear p, int64_t count);
  void launch_fused(DecodeLinear p, int64_t count);
  void launch_dense(const DecodeLinear& p);
  void launch_attention(size_t index, const AttentionLaunch& launch, int64_t count);
  void launch_head(int64_t count);
  // The weight that is read after the linears of a set: its beginning is prefetched into the L2 cache.
  const CudaWeight* next_weight(size_t layer, int set) const;
  // The only launch that reads the output of a gated pair, which is written in that launch's order (free act-order).
  const LinearLaunch* reader_of(size_t layer, const LinearLaunch& gated) const;
  bool orders_output(size_t layer, const LinearLaunch& gated, int64_t count) const;
  MatrixView slot(int index, int64_t count) const;
  MatrixView columns(const Columns& c, int64_t count) const {
    return slot(c.slot, count).column_range(c.begin, c.count);
  }
  const float* parameter(size_t layer, int index) const;

  Context& context_;
  DType dtype_;
  const DecodeModel& model_;
  std::vector<LaunchedLayer> layers_;
  StepBuffers buffers_;
  BatchLinear batch_linear_;
  std::vector<Buffer> memory_;
  std::vector<MatrixView> slots_;  // [B, ..], not shared: a fused launch uses slots longer than its separate steps
  MatrixView logits_, normed_, sorted_, outputs_;
  Buffer workspace_, counters_;
};

}  // namespace gptq::backend::cuda
