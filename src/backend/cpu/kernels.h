// Inner loops compiled once for each instruction set and chosen at run time; plain pointers, no allocation.
#pragma once

#include <cstdint>

#include "backend/cpu/gptq_strip.h"

namespace gptq::backend {

// One tile of a packed weight: kTileColumns consecutive outputs, all K inputs, in the order of the loop.
//   words   u32 [K·bits/32][kTileColumns]     the HF qweight rows of these columns, inputs sorted by group and
//                                             each group padded to a multiple of 32 inputs
//   scales  f32 [G][kTileColumns]   zeros f32 [G][kTileColumns]
inline constexpr int kTileColumns = 32;

struct PackedTile {
  const uint32_t* words;
  const float* scales;
  const float* zeros;
  const int32_t* group_ends;  // [G] one past the last input of each group, multiples of 32
  int64_t groups;
};

struct Kernels {
  const char* name;

  // y[m][0…31] = Σ_k x[m][k] · scale·(code − zero) for one tile; rows m in [0, rows).
  // `sums` [rows][G] holds Σ x over each group. One function a bit width: index 0 → 2 bits, 1 → 3, 2 → 4, 3 → 8.
  using PackedLinear = void (*)(float* y, int64_t y_stride, const float* x, int64_t x_stride, const float* sums,
                                int64_t rows, const PackedTile& tile);
  PackedLinear packed_linear[4];

  // out[k][0…31] = scale·(code − zero) for every input k of one tile.
  using PackedExpand = void (*)(float* out, int64_t stride, const PackedTile& tile);
  PackedExpand packed_expand[4];

  // Σ_k w[k] · x[k]
  float (*dot_f32)(const float* w, const float* x, int64_t count);
  float (*dot_bf16)(const uint16_t* w, const float* x, int64_t count);
  float (*dot_f16)(const uint16_t* w, const float* x, int64_t count);

  void (*widen_bf16)(float* out, const uint16_t* in, int64_t count);
  void (*widen_f16)(float* out, const uint16_t* in, int64_t count);

  void (*rms_norm)(float* out, const float* x, const float* weight, int64_t count, float eps);
  void (*layer_norm)(float* out, const float* x, const float* weight, int64_t count, float eps);
  void (*silu_multiply)(float* out, const float* gate, const float* up, int64_t count);
  void (*gelu_tanh)(float* out, const float* x, const float* up, int64_t count);  // times `up` unless it is null
  void (*soft_cap)(float* x, int64_t count, float factor, float cap);             // x = cap · tanh(factor · x / cap)
  void (*add)(float* x, const float* y, int64_t count);
  // x[i] = exp(scale·x[i] − max(scale·x)); returns Σ
  float (*softmax_exp)(float* x, int64_t count, float scale);
  void (*scale)(float* x, int64_t count, float factor);
  void (*axpy)(float* y, const float* x, int64_t count, float factor);  // y += factor · x

  void (*gptq_strip)(const GptqStrip& strip);
};

namespace portable {
extern const Kernels kKernels;
}
namespace avx2 {
extern const Kernels kKernels;
}
namespace avx512 {
extern const Kernels kKernels;
}

// The best set for this processor; the environment variable GPTQ_ISA (portable, avx2, avx512) selects another one.
const Kernels& best_kernels();

}  // namespace gptq::backend
