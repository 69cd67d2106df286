// Dividing columns into blocks.
#include "backend/cuda/gptq/solve_plan.h"

#include <algorithm>

namespace gptq::backend::cuda {

namespace {

constexpr int64_t kBlock = kSolveColumns;
constexpr int64_t kMultiple = 16;

std::vector<int64_t> group_lengths(std::span<const int32_t> group) {
  std::vector<int64_t> lengths;
  for (size_t j = 0; j < group.size(); ++j) {
    if (j == 0 || group[j] != group[j - 1]) lengths.push_back(0);
    ++lengths.back();
  }
  return lengths;
}

}  // namespace

SolvePlan plan_solve(std::span<const int32_t> group, bool given_scales) {
  SolvePlan plan;
  int64_t next = 0, outer = 0;
  // Appends a block; its first `together` columns must be in the same outer block, if they fit in one.
  const auto append = [&](int64_t size, int64_t together) -> SolveBlock& {
    if (next - outer + together > kOuterColumns) outer = next;
    SolveBlock& block = plan.blocks.emplace_back();
    block.begin = next;
    block.size = size;
    block.outer = block.updated = outer;
    next += size;
    return block;
  };
  const int64_t columns = static_cast<int64_t>(group.size());
  if (given_scales) {
    while (next < columns) append(std::min(kBlock, columns - next), std::min(kBlock, columns - next));
    return plan;
  }
  const std::vector<int64_t> lengths = group_lengths(group);
  plan.search_in_loop = std::all_of(lengths.begin(), lengths.end(),
                                    [](int64_t length) { return length <= kBlock && length % kMultiple == 0; });
  if (plan.search_in_loop) {
    for (size_t i = 0; i < lengths.size();) {
      int64_t size = 0;
      while (i < lengths.size() && size + lengths[i] <= kBlock) size += lengths[i++];
      append(size, size);
    }
    return plan;
  }
  for (const int64_t length : lengths) {
    const int64_t begin = next, end = begin + length;
    while (next < end) {
      const int64_t size = std::min(kBlock, end - next);
      SolveBlock& block = append(size, next == begin ? length : size);
      block.updated = std::max(block.outer, begin);
      if (block.begin != begin) continue;
      block.group_size = length;
      if (begin > 0) plan.widest_search = std::max(plan.widest_search, length);
    }
  }
  return plan;
}

}  // namespace gptq::backend::cuda
