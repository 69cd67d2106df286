// Inner loops compiled once for each instruction set and chosen at run time; plain pointers, no allocation.
#pragma once

#include <cstdint>

#include "backend/cpu/gptq_strip.h"

namespace gptq::backend {

struct Kernels {
  const char* name;

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

  // Attention of one position, for the query heads [heads][d] of one key head.
  // scores[h·stride + j] = q[h] · key j;  out[h] += Σ_j weights[h·stride + j] · value j
  void (*attention_scores)(float* scores, int64_t stride, const float* q, int64_t heads, const float* keys,
                           int64_t key_stride, int64_t count, int64_t d);
  void (*attention_values)(float* out, const float* weights, int64_t stride, int64_t heads, const float* values,
                           int64_t value_stride, int64_t count, int64_t d);
  // x[j] = exp(scale·x[j] − largest) with the largest scale·x[j], and their sum
  void (*attention_softmax)(float* x, int64_t count, float scale, float* largest, float* sum);

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

// Those of the instruction set in use (cpu_features.h).
const Kernels& best_kernels();

}  // namespace gptq::backend
