// The operations of a model's forward pass. Linears, attention and the operations between them have inputs and outputs
// of the activations' type (Capabilities::activation_dtype); the residual stream, parameters and logits are F32.
// Reference implementations: cpu/reference.h.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "backend/batch_rows.h"
#include "backend/decode_runner.h"
#include "backend/layer_program.h"
#include "backend/matrix.h"
#include "core/packed_weight.h"
#include "core/tensor.h"

namespace gptq::backend {

// A linear or embedding weight in the device's private layout; opaque to the model.
class Weight {
 public:
  virtual ~Weight() = default;
  virtual int64_t in_features() const = 0;   // K
  virtual int64_t out_features() const = 0;  // N
  virtual int64_t bytes() const = 0;         // bytes read for one row of input
};

// Causal attention of the rows of a batch. A query at position p of its sequence sees the sequence's positions up to p.
struct AttentionArgs {
  MatrixView q;  // [M, H·D]
  MatrixView keys,
      values;          // [.., Hkv·D]  the cache with the batch's pages, or without one its rows [M, Hkv·D]
  int heads = 0;       // H
  int kv_heads = 0;    // Hkv, divides H; query head h reads key head h / (H / Hkv)
  int head_dim = 0;    // D
  float scale = 1.0f;  // multiplies the scores
  float soft_cap = 0;  // then scores become cap · tanh(score / cap); 0: unchanged
  int64_t window = 0;  // position p sees position j when p − window < j ≤ p; 0: all j ≤ p
};

struct RopeArgs {
  int head_dim = 0;
  bool interleaved = false;  // pairs are elements 2·i and 2·i + 1, not i and i + rotary_dim / 2
  RopeAngles angles;         // rotary_dim = 2 · cos.cols
};

class ModelOps {
 public:
  virtual ~ModelOps() = default;

  // ---- weights: conversion from the stored to the device's layout, at load time
  virtual std::unique_ptr<Weight> load_weight(const TensorView& weight, const TensorView* bias) = 0;  // [N, K], [N]
  virtual std::unique_ptr<Weight> load_weight(const PackedWeight& weight) = 0;
  // The same for quantizing, where a CPU computes in fp32; running a model, it rounds activations to 16 bits.
  virtual std::unique_ptr<Weight> load_exact(const PackedWeight& weight) { return load_weight(weight); }
  // The output head of a quantized model, which may be the embedding too: a CPU may round it to 8 bits.
  virtual std::unique_ptr<Weight> load_head(const TensorView& weight, const TensorView* bias) {
    return load_weight(weight, bias);
  }
  virtual bool all_finite(const TensorView& stored) = 0;  // F32, F16 or BF16 in host memory

  // ---- the steps of a program
  virtual void embed(MatrixView out, std::span<const int> ids, const Weight& table) = 0;  // F32 [M, E], [M], [V, E]
  // out = norm(x) · weight + bias over each run of weight.cols elements of a row:
  //   kRms    norm(x) = x / √(mean(x²) + eps)        kLayer  norm(x) = (x − mean(x)) / √(var(x) + eps)
  // `bias` may have no data. `out` may be `x`.
  // out [M, n·len]   x [M, n·len] F32 or activations   weight, bias F32 [1, len]
  virtual void norm(MatrixView out, MatrixView x, NormKind kind, MatrixView weight, MatrixView bias, float eps) = 0;
  // y = x · Wᵀ + bias for weights that share an input, concatenated      y [M, ΣN] activations or F32   x [M, K]
  virtual void linear(MatrixView y, MatrixView x, std::span<const Weight* const> weights) = 0;
  // Rotates the first elements of each head of a row by the angles of the row's position                [M, n·D]
  virtual void rope(MatrixView x, const RopeArgs& args, const BatchRows& rows) = 0;
  // Stores rows of keys or values in the cache, at their positions            cache [.., C]   x [M, C]
  virtual void append(MatrixView cache, MatrixView x, const BatchRows& rows) = 0;
  virtual void attention(MatrixView out, const AttentionArgs& args, const BatchRows& rows) = 0;  // out [M, H·D]
  // out = f(x); gated: out = f(first half of x) · second half                   out [M, I]   x [M, I or 2·I]
  virtual void activate(MatrixView out, MatrixView x, Activation kind, bool gated) = 0;
  virtual void add(MatrixView x, MatrixView y) = 0;    // x += y          x F32 [M, E]   y [M, E]
  virtual void scale(MatrixView x, float factor) = 0;  // x *= factor                        F32
  virtual void soft_cap(MatrixView x, float cap) = 0;  // x = cap · tanh(x / cap)            F32
  // out[i] = x[rows[i]]                                                       F32 [rows.size(), C]   [M, C]
  virtual void gather_rows(MatrixView out, MatrixView x, std::span<const int> rows) = 0;

  // ---- results
  // −log softmax(logits)[target] of each row                          logits F32 [T, V]   targets [T]
  virtual std::vector<float> cross_entropy(MatrixView logits, std::span<const int> targets) = 0;
  // flag, F32 [1, 1], becomes 1 if x contains NaN or infinity; otherwise it is unchanged
  virtual void find_non_finite(MatrixView flag, MatrixView x) = 0;

  // Decodes a whole model in as few launches as possible; null if `model` needs the separate operations above.
  virtual std::unique_ptr<DecodeRunner> make_decode_runner(const DecodeModel& model) = 0;
};

}  // namespace gptq::backend
