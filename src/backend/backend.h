// Everything a device must know how to do: the only seam between the model and the metal.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <gptq/device.h>

#include "backend/matrix.h"
#include "core/packed_weight.h"
#include "core/tensor.h"

namespace gptq {

// A linear or embedding weight in the device's private layout. Opaque: the model never asks what is inside.
class Weight {
 public:
  virtual ~Weight() = default;
  virtual int64_t in_features() const = 0;   // K
  virtual int64_t out_features() const = 0;  // N
  virtual int64_t bytes() const = 0;         // read for one row of input
};

struct AttentionArgs {
  MatrixView q;            // [T, H·D]
  MatrixView keys;         // [past + T, Hkv·D]  rotated keys of all positions so far
  MatrixView values;       // [past + T, Hkv·D]
  int64_t past = 0;        // positions in front of q's first row
  int heads = 0;           // H
  int kv_heads = 0;        // Hkv, divides H; query head h reads key head h / (H / Hkv)
  int head_dim = 0;        // D
  float scale = 1.0f;      // multiplies the scores
  int64_t window = 0;      // query i sees key j when i − window < j ≤ i; 0 = all j ≤ i
};

// The quantization grid of one row's group: value = scale · (code − zero).
struct GridSpec {
  int bits = 4;
  bool sym = true;
  enum class Clip { kNone, kMse, kHessian } clip = Clip::kNone;
};

// One block of columns for `quantize_block`, all in processing order.
struct BlockArgs {
  MatrixView weights;             // [N, B]  error-corrected weights; on return dequantized values
  MatrixView errors;              // [N, B]  out: (w − q) / U[j][j], what the later columns must absorb
  MatrixView factor;              // [B, B]  the block's part of U, upper triangular
  std::span<const int> groups;    // [B]     group of each column
  int64_t first_group_column = 0; // columns of groups[0] that earlier blocks have processed already
  MatrixView scales;              // [N, G]  fp32 holding fp16 values; in/out
  MatrixView zeros;               // [N, G]  fp32 holding integers; in/out
  std::span<uint8_t> codes;       // [N, B]  out
  std::span<double> losses;       // [N]     += Σ errors²
};

// Operations of one backend run in the order they were called. Activations have `activation_dtype()`.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual Device device() const = 0;
  virtual DType activation_dtype() const = 0;

  // ---- memory
  virtual Matrix allocate(int64_t rows, int64_t cols) = 0;                   // activations, not cleared
  virtual void upload(MatrixView to, std::span<const float> from) = 0;       // [rows · cols]
  virtual std::vector<float> download(MatrixView from) = 0;                  // [rows · cols]
  virtual void copy(MatrixView to, MatrixView from) = 0;                     // same rows and cols

  // ---- weights: from the stored form to the device's own, once, at load
  virtual std::unique_ptr<Weight> prepare(const TensorView& weight, const TensorView* bias) = 0;  // [N, K], [N]
  virtual std::unique_ptr<Weight> prepare(const PackedWeight& weight) = 0;

  // ---- the model
  virtual void embed(MatrixView out, std::span<const int> ids, const Weight& table) = 0;  // [T, E], [T], [V, E]
  // out = x / rms(x) · weight over each run of weight.size() elements of a row     out, x [T, n·len(weight)]
  virtual void rms_norm(MatrixView out, MatrixView x, std::span<const float> weight, float eps) = 0;
  // y = x · Wᵀ + bias for weights that share an input, side by side              y [M, ΣN]   x [M, K]
  virtual void linear(MatrixView y, MatrixView x, std::span<const Weight* const> weights) = 0;
  // rotates element i with element i + d/2 of each head by the row's angle i      x [T, n·D]   cos, sin [T, d/2]
  virtual void rope(MatrixView x, int head_dim, MatrixView cos, MatrixView sin) = 0;
  virtual void attention(MatrixView out, const AttentionArgs& args) = 0;                  // out [T, H·D]
  virtual void silu_multiply(MatrixView out, MatrixView gate_up) = 0;  // out [T, I] = silu(gate) · up   [T, 2·I]
  virtual void add(MatrixView x, MatrixView y) = 0;                    // x += y                        [T, E]
  // −log softmax(logits)[target] of each row                          logits [T, V]   targets [T]
  virtual std::vector<float> cross_entropy(MatrixView logits, std::span<const int> targets) = 0;
  virtual bool all_finite(MatrixView x) = 0;

  // ---- GPTQ
  virtual void accumulate_hessian(MatrixView h, MatrixView x) = 0;  // lower triangle of h [K, K] += xᵀ·x   x [T, K]
};

// Throws Error(kUsage) for a device that this build or this machine does not have.
std::unique_ptr<Backend> make_backend(const ComputeOptions& options);

}  // namespace gptq
