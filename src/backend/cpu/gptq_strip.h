// The GPTQ column loop on the CPU: the arguments of the kernel that processes 16 rows of W at a time.
#pragma once

#include <cstdint>

#include "backend/grid.h"

namespace gptq::backend {

inline constexpr int kStripRows = 16;  // rows of W in one strip, one vector lane each

struct GptqStrip {
  int64_t columns = 0;             // K
  float* w = nullptr;              // [K][16]  in: weights in processing order; out: dequantized values
  float* scratch = nullptr;        // [K][16]
  const float* factor = nullptr;   // U [K, K], upper triangular, row-major
  const int32_t* group = nullptr;  // [K]  group of each column
  bool given_scales = false;       // use `scales` and `zeros` instead of searching
  int bits = 4;
  bool sym = true;
  float lowest_zero = 0;
  Clip clip = Clip::kNone;
  float* scales = nullptr;   // [G][16]  exactly representable in fp16
  float* zeros = nullptr;    // [G][16]
  uint8_t* codes = nullptr;  // [K][16]
};

}  // namespace gptq::backend
