// Packing integer codes, without further rounding.
#include "quantize/pack.h"

#include <algorithm>

namespace gptq::quantization {

PackedWeight pack(const SolveResult& solution, int64_t first, int64_t count, Tensor bias, backend::Backend& backend) {
  const int64_t groups = solution.groups;
  const int bits = solution.bits;
  PackedWeight weight;
  weight.bits = bits;
  weight.in_features = solution.columns;
  weight.out_features = count;
  weight.group_size = solution.group_size;
  weight.qweight = backend.pack_codes(solution.codes.view(), solution.order, bits, first, count);
  weight.qzeros = Tensor(DType::kI32, {groups, count * bits / 32});
  weight.scales = Tensor(DType::kF16, {groups, count});
  weight.g_idx = Tensor(DType::kI32, {solution.columns});
  weight.bias = std::move(bias);

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

}  // namespace gptq::quantization
