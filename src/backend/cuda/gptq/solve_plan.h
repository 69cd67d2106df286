// The division of the columns of a GPTQ problem into blocks, on the host.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/cuda/gptq/scratch.h"

namespace gptq::backend::cuda {

struct SolveBlock {
  int64_t begin = 0, size = 0;  // columns
  int64_t outer = 0;            // first column of its outer block
  int64_t updated = 0;          // errors of columns before this one are already applied before the block is processed
  int64_t group_size = 0;       // > 0: a group of this many columns starts here and is searched before the block
};

struct SolvePlan {
  std::vector<SolveBlock> blocks;  // in order; those of one outer block are consecutive
  bool search_in_loop = false;     // the column loop finds the grids of groups that start in its block
  int64_t widest_search = 0;       // columns of the widest group that is searched before a block other than the first
};

// Groups whose lengths are multiples of 16 up to 128 are searched inside the column loop, in blocks of whole
// groups. Other groups are searched before their first block; such a group starts an outer block when it does not
// end in the current one.
SolvePlan plan_solve(std::span<const int32_t> group, bool given_scales);

}  // namespace gptq::backend::cuda
