// From integer codes to the packed layout.
#pragma once

#include "core/packed_weight.h"
#include "quantize/solver.h"

namespace gptq {

// Rows [first, first + count) of a solution as one linear's packed weight; `bias` fp32 [count] or empty.
PackedWeight pack(const GroupSolution& solution, int bits, int64_t group_size, int64_t first, int64_t count,
                  Tensor bias);

}  // namespace gptq
