// From integer codes to the packed layout.
#pragma once

#include "core/packed_weight.h"
#include "quantize/solver.h"

namespace gptq::quantization {

// Rows [first, first + count) of a solution as one linear's packed weight; `bias` fp32 [count] or empty. The codes are
// on the solution's backend.
PackedWeight pack(const SolveResult& solution, int64_t first, int64_t count, Tensor bias, backend::Backend& backend);

}  // namespace gptq::quantization
