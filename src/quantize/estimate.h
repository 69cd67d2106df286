// How much memory and time a quantization will take, before it starts.
#pragma once

#include <cstdint>

#include "backend/backend.h"
#include "quantize/memory_plan.h"

namespace gptq::quantization {

struct Estimate {
  int64_t peak_bytes = 0;
  double seconds = 0;
};

// `bytes_in` are the source's tensor bytes (its mapped pages count as ours while they are read). Time comes from the
// arithmetic of the forward passes and Hessians, what the plan does twice or moves, and a short measurement of the
// backend's matrix multiplication. Memory is the host's.
Estimate estimate(const MemoryProblem& problem, const MemoryPlan& plan, int64_t bytes_in, backend::Backend& backend);

int64_t peak_resident_bytes();  // of this process so far

}  // namespace gptq::quantization
