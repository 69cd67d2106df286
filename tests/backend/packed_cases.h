// Random packed weights for tests: any width, grouping and order of inputs.
#pragma once

#include <algorithm>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "core/packed_weight.h"

namespace gptq::backend {

enum class Grouping {
  kNatural,    // groups of neighbours, in order
  kScattered,  // act-order: the same sizes, any columns
  kUnequal,    // every column draws its group: some groups are long, some may be empty
};

struct PackedCase {
  int bits = 4;
  int64_t group_size = 32, in_features = 32, out_features = 32;
  bool sym = true;
  Grouping grouping = Grouping::kNatural;
  bool bias = false;

  std::string name() const {
    return std::to_string(bits) + " bits, groups of " + std::to_string(group_size) + ", K " +
           std::to_string(in_features) + ", N " + std::to_string(out_features) + (sym ? ", sym" : ", asym") +
           ", grouping " + std::to_string(static_cast<int>(grouping));
  }
};

inline PackedWeight random_packed(const PackedCase& c, uint32_t seed) {
  std::mt19937 random(seed);
  const int64_t k_count = c.in_features, n_count = c.out_features;
  const int64_t groups = (k_count + c.group_size - 1) / c.group_size;
  PackedWeight weight;
  weight.bits = c.bits;
  weight.in_features = k_count;
  weight.out_features = n_count;
  weight.group_size = c.group_size;
  weight.qweight = Tensor(DType::kI32, {k_count * c.bits / 32, n_count});
  weight.qzeros = Tensor(DType::kI32, {groups, n_count * c.bits / 32});
  weight.scales = Tensor(DType::kF16, {groups, n_count});
  weight.g_idx = Tensor(DType::kI32, {k_count});
  const uint32_t top = (1u << c.bits) - 1u;
  std::uniform_int_distribution<uint32_t> code(0, top);
  std::uniform_real_distribution<float> scale(0.002f, 0.05f), bias(-1.0f, 1.0f);
  int32_t* qweight = weight.qweight.values<int32_t>().data();
  for (int64_t k = 0; k < k_count; ++k) {
    for (int64_t n = 0; n < n_count; ++n) pack_field(qweight + n, k, c.bits, code(random), n_count);
  }
  for (int64_t g = 0; g < groups; ++g) {
    for (int64_t n = 0; n < n_count; ++n) {
      pack_field(weight.qzeros.values<int32_t>().data() + g * n_count * c.bits / 32, n, c.bits,
                 c.sym ? (top + 1) / 2 : code(random));
      weight.scales.values<Half>()[static_cast<size_t>(g * n_count + n)] = to_half(scale(random));
    }
  }
  std::vector<int32_t> g_idx(static_cast<size_t>(k_count));
  for (int64_t k = 0; k < k_count; ++k) g_idx[static_cast<size_t>(k)] = static_cast<int32_t>(k / c.group_size);
  if (c.grouping == Grouping::kScattered) std::shuffle(g_idx.begin(), g_idx.end(), random);
  if (c.grouping == Grouping::kUnequal) {
    for (int32_t& g : g_idx) g = std::uniform_int_distribution<int32_t>(0, static_cast<int32_t>(groups) - 1)(random);
  }
  std::copy(g_idx.begin(), g_idx.end(), weight.g_idx.values<int32_t>().begin());
  if (c.bias) {
    weight.bias = Tensor(DType::kF32, {n_count});
    for (float& value : weight.bias.values<float>()) value = bias(random);
  }
  return weight;
}

}  // namespace gptq::backend
