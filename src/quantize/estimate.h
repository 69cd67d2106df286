// Memory and time of a quantization, estimated before it starts.
#pragma once

#include <cstdint>

#include "backend/backend.h"
#include "quantize/memory_plan.h"

namespace gptq::quantization {

struct Estimate {
  int64_t peak_bytes = 0;
  double seconds = 0;
};

// `bytes_in` are the source's tensor bytes (its mapped pages count towards the process while they are read). Time is
// calculated from the arithmetic of the forward passes and Hessians, the recomputation and transfers of the plan, and a
// short measurement of the backend's matrix multiplication. Memory is host memory.
Estimate estimate(const MemoryProblem& problem, const MemoryPlan& plan, int64_t bytes_in, backend::Backend& backend);

int64_t peak_resident_bytes();  // of this process so far

}  // namespace gptq::quantization
