// Which inputs the positions of a packed weight hold: sorted by group, each group padded to whole blocks.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/cpu/packed/kernels.h"

namespace gptq::backend::packed {

struct InputOrder {
  std::vector<int32_t> inputs;                 // [K'] the input at each position, −1 for padding
  std::vector<Segment> one_plane, two_planes;  // of at most max_segment(planes) positions each
  bool natural = false;                        // position i holds input i, K' = K

  int64_t size() const { return static_cast<int64_t>(inputs.size()); }
  const std::vector<Segment>& segments(int planes) const { return planes == 1 ? one_plane : two_planes; }
  bool operator==(const InputOrder& other) const;
};

// group_of: for each input the group of its scale, in [0, groups).
InputOrder order_inputs(std::span<const int32_t> group_of, int64_t groups);

}  // namespace gptq::backend::packed
