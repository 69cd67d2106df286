// How much memory and time a quantization will take, before it starts.
#pragma once

#include <cstdint>

#include "model/architecture.h"
#include "quantize/module_plan.h"

namespace gptq {

struct Estimate {
  int64_t peak_bytes = 0;
  double seconds = 0;
};

// `bytes_in` are the source's tensor bytes (its mapped pages count as ours while they are read), `ends_bytes`
// those of embedding and head. Time comes from the arithmetic of the forward passes and Hessians and a short
// measurement of this machine's matrix multiplication.
Estimate estimate(const Architecture& architecture, const ModelPlan& plan, int64_t samples, int64_t seqlen, bool gptaq,
                  int64_t bytes_in, int threads);

int64_t peak_resident_bytes();  // of this process so far

}  // namespace gptq
