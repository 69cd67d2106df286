// Properties of a backend that callers use instead of the kind of device.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace gptq::backend {

struct Capabilities {
  DType activation_dtype = DType::kF32;  // F32, BF16 or F16
  int64_t prefill_rows = 512;            // rows of one forward pass of a prompt
  int64_t batch_rows = 4096;             // rows at which linears of a large model run at full rate
  // Whether the backend has its own memory, limited to Memory::memory().available and filled over a bus.
  bool own_memory = false;
  bool cross_of_rows = false;  // whether GptqOps::accumulate_cross_of_rows is implemented
  // Sizes at which a copy and a matrix product run at the device's rates: rows of 4096 activations, far more than its
  // caches hold, and a product that is repeated until the time of synchronization is negligible.
  int64_t probe_copy_rows = 2048;
  struct ProbeGemm {
    int64_t m = 512, n = 2048, k = 2048;
    int repeats = 1;
  } probe_gemm;
};

}  // namespace gptq::backend
