// The quantization grid: how the scale and zero point of a group are chosen.
#pragma once

namespace gptq::backend {

// Scale and zero point of a group of weights w with range [min, max], extended to include zero:
//   sym    scale = 2·max|w| / (2^bits − 1), zero = 2^(bits−1)      asym   scale = (max − min) / (2^bits − 1)
// The scale is rounded to fp16 before any use. A clip search tries narrower and slightly wider ranges:
//   kMse      the scale with the minimum Σ (w − q)²
//   kHessian  the scale with the minimum Σ ((w − q) / U_jj)², errors fed back inside the group (the loss of GPTQ)
enum class Clip { kNone, kMse, kHessian };

struct GridSpec {
  int bits = 4;
  bool sym = true;
  Clip clip = Clip::kNone;
  int lowest_zero = 0;  // 1 if the file format cannot store a zero of 0
};

}  // namespace gptq::backend
