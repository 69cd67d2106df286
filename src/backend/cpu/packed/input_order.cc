// Sorting of inputs by group, so that act-order costs one gather of the activations instead of a look-up per weight.
#include "backend/cpu/packed/input_order.h"

#include <algorithm>
#include <numeric>

namespace gptq::backend::packed {

bool InputOrder::operator==(const InputOrder& other) const {
  const auto same = [](const Segment& a, const Segment& b) { return a.end == b.end && a.group == b.group; };
  return natural == other.natural && size() == other.size() &&
         std::equal(two_planes.begin(), two_planes.end(), other.two_planes.begin(), other.two_planes.end(), same) &&
         (natural || inputs == other.inputs);
}

namespace {

void append_segments(std::vector<Segment>& segments, int32_t begin, int32_t end, int32_t group, int32_t most) {
  for (; begin < end; begin += most) segments.push_back({std::min(begin + most, end), group});
}

}  // namespace

InputOrder order_inputs(std::span<const int32_t> group_of, int64_t groups) {
  std::vector<int32_t> sorted(group_of.size());
  std::iota(sorted.begin(), sorted.end(), 0);
  std::stable_sort(sorted.begin(), sorted.end(), [&](int32_t a, int32_t b) {
    return group_of[static_cast<size_t>(a)] < group_of[static_cast<size_t>(b)];
  });
  InputOrder order;
  size_t next = 0;
  for (int32_t group = 0; group < groups; ++group) {
    const auto begin = static_cast<int32_t>(order.inputs.size());
    for (; next < sorted.size() && group_of[static_cast<size_t>(sorted[next])] == group; ++next) {
      order.inputs.push_back(sorted[next]);
    }
    while (order.inputs.size() % kBlock != 0) order.inputs.push_back(-1);
    const auto end = static_cast<int32_t>(order.inputs.size());
    append_segments(order.one_plane, begin, end, group, max_segment(1));
    append_segments(order.two_planes, begin, end, group, max_segment(2));
  }
  order.natural = order.inputs.size() == group_of.size();
  for (size_t i = 0; order.natural && i < order.inputs.size(); ++i) {
    order.natural = order.inputs[i] == static_cast<int32_t>(i);
  }
  return order;
}

}  // namespace gptq::backend::packed
