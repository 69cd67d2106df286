// Packing integer codes: nothing is rounded again here.
#include "quantize/pack.h"

#include <algorithm>

namespace gptq {

PackedWeight pack(const GroupSolution& solution, int bits, int64_t group_size, int64_t first, int64_t count,
                  Tensor bias) {
  const int64_t k_count = solution.columns, groups = solution.groups;
  PackedWeight weight;
  weight.bits = bits;
  weight.in_features = k_count;
  weight.out_features = count;
  weight.group_size = group_size;
  weight.qweight = Tensor(DType::kI32, {k_count * bits / 32, count});
  weight.qzeros = Tensor(DType::kI32, {groups, count * bits / 32});
  weight.scales = Tensor(DType::kF16, {groups, count});
  weight.g_idx = Tensor(DType::kI32, {k_count});
  weight.bias = std::move(bias);

  int32_t* qweight = weight.qweight.values<int32_t>().data();
  for (int64_t k = 0; k < k_count; ++k) {
    const uint8_t* codes = solution.codes.data() + k * solution.rows + first;
    for (int64_t n = 0; n < count; ++n) pack_field(qweight + n, k, bits, codes[n], count);
  }
  int32_t* qzeros = weight.qzeros.values<int32_t>().data();
  Half* scales = weight.scales.values<Half>().data();
  for (int64_t g = 0; g < groups; ++g) {
    const size_t row = static_cast<size_t>(g * solution.rows + first);
    for (int64_t n = 0; n < count; ++n) {
      const uint32_t zero = static_cast<uint32_t>(solution.zeros[row + static_cast<size_t>(n)]);
      pack_field(qzeros + g * count * bits / 32, n, bits, zero);
      scales[g * count + n] = to_half(solution.scales[row + static_cast<size_t>(n)]);
    }
  }
  std::copy(solution.g_idx.begin(), solution.g_idx.end(), weight.g_idx.values<int32_t>().begin());
  return weight;
}

}  // namespace gptq
