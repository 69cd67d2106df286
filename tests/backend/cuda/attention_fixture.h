// What the tests of both attention kernels share: 16-bit arrays with poison wherever kernels must not read or write, attention
// in double precision, shuffled pages.
#pragma once

#include "backend/cuda/attention/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "core/half.h"
#include "tests/backend/cases.h"

namespace gptq::backend::cuda {

constexpr uint16_t kNaN = 0x7fff;  // in both 16-bit types

// One 16-bit type and head size.
struct TypeAndSize {
  DType dtype;
  int head_dim;
};

inline void PrintTo(const TypeAndSize& c, std::ostream* out) { *out << name_of(c.dtype) << " D " << c.head_dim; }

class CudaAttention : public testing::TestWithParam<TypeAndSize> {
 protected:
  void SetUp() override {
    int count = 0;
    if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0) GTEST_SKIP() << "not tested here: there is no GPU";
    context_ = std::make_unique<Context>(0, 0);
  }

  DType dtype() const { return GetParam().dtype; }
  int head_dim() const { return GetParam().head_dim; }
  // Cases that go round: every type and size takes another third of them.
  bool has_turn(int count) const { return (count + head_dim() / 8 + (dtype() == DType::kF16 ? 1 : 0)) % 3 == 0; }
  double unit() const { return dtype() == DType::kF16 ? 0x1p-11 : 0x1p-8; }  // of rounding to 16 bits
  uint16_t bits(double value) const {
    const float single = static_cast<float>(value);
    return dtype() == DType::kF16 ? to_half(single).bits : to_bfloat16(single).bits;
  }
  double value(uint16_t bits) const {
    return dtype() == DType::kF16 ? gptq::to_float(Half{bits}) : gptq::to_float(BFloat16{bits});
  }
  double rounded(double x) const { return value(bits(x)); }

  // A matrix of 16-bit values, in host and device memory.
  struct Array {
    int64_t rows = 0, stride = 0;
    std::vector<uint16_t> host;
    Buffer device;
    uint16_t* row(int64_t r) { return host.data() + r * stride; }
  };
  Array array(int64_t rows, int64_t stride, uint32_t seed) {
    Array a = poisoned(rows, stride);
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (uint16_t& x : a.host) x = bits(normal(random));
    return a;
  }
  Array poisoned(int64_t rows, int64_t stride) {
    const size_t size = static_cast<size_t>(rows * stride);
    return {rows, stride, std::vector<uint16_t>(size, kNaN), Buffer(*context_, size * sizeof(uint16_t))};
  }
  void upload(const Array& a) { copy(a.device.as(), a.host.data(), a.host.size() * sizeof(uint16_t)); }
  std::vector<uint16_t> download(const Array& a) {
    std::vector<uint16_t> host(a.host.size());
    copy(host.data(), a.device.as(), host.size() * sizeof(uint16_t));
    return host;
  }
  template <typename Value>
  Buffer on_device(const std::vector<Value>& values) {
    Buffer buffer(*context_, values.size() * sizeof(Value));
    copy(buffer.as(), values.data(), values.size() * sizeof(Value));
    return buffer;
  }
  void copy(void* to, const void* from, size_t bytes) {
    GPTQ_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, context_->stream()));
    context_->synchronize();
  }

  // One row of attention in double precision. `keys` and `values` give the first of D elements of each key in sight;
  // `slack` (or null) is how far each element of q may be off.
  struct Expected {
    std::vector<double> out, tolerance;
  };
  Expected plain_row(const std::vector<double>& q, const std::vector<double>& slack,
                     const std::vector<const uint16_t*>& keys, const std::vector<const uint16_t*>& values,
                     double scale) const {
    const size_t d = q.size(), n = keys.size();
    std::vector<double> weight(n);
    double highest = -INFINITY, lowest = INFINITY, delta = 0, total = 0;
    for (size_t j = 0; j < n; ++j) {
      double sum = 0, size = 0, off = 0;
      for (size_t i = 0; i < d; ++i) {
        const double k = value(keys[j][i]);
        sum += q[i] * k;
        size += std::abs(q[i] * k);
        if (!slack.empty()) off += slack[i] * std::abs(k);
      }
      weight[j] = scale * sum;
      highest = std::max(highest, weight[j]);
      lowest = std::min(lowest, weight[j]);
      // D products are added in fp32; their sum is scaled.
      delta = std::max(delta, scale * (static_cast<double>(d + 4) * kEps * size + off));
    }
    for (double& w : weight) total += w = std::exp(w - highest);
    delta += 4 * kEps * (highest - lowest);  // the difference to the highest, times log₂ e
    Expected result{std::vector<double>(d), std::vector<double>(d)};
    for (size_t i = 0; i < d; ++i) {
      double sum = 0, size = 0, most = 0;
      for (size_t j = 0; j < n; ++j) {
        const double v = value(values[j][i]);
        sum += weight[j] * v;
        size += weight[j] * std::abs(v);
        most = std::max(most, std::abs(v));
      }
      result.out[i] = sum / total;
      // Weights: rounded to 16 bits (fp16: to multiples of 2⁻²⁴ when small), off by 2δ, exp2 by 2⁻²¹. Sums in fp32.
      result.tolerance[i] = (unit() + 2 * delta + 0x1p-20 + static_cast<double>(n + 16) * kEps) * size / total +
                            unit() * std::abs(result.out[i]) + static_cast<double>(n) * 0x1p-25 * most + 0x1p-25;
    }
    return result;
  }

  // Compares one head's row; says where the first difference is.
  void expect_row(const char* what, const Expected& want, const uint16_t* got, const std::string& where) {
    double& worst = worst_ratios()[std::string(what) + (dtype() == DType::kF16 ? " F16" : " BF16")];
    for (size_t i = 0; i < want.out.size(); ++i) {
      const double result = value(got[i]), difference = std::abs(result - want.out[i]);
      ASSERT_TRUE(difference <= want.tolerance[i]) << what << ": element " << i << " of " << where << " is " << result
                                                   << ", expected " << want.out[i] << " ± " << want.tolerance[i];
      worst = std::max(worst, difference / want.tolerance[i]);
    }
  }

  std::unique_ptr<Context> context_;
};

// ---- where rows of keys lie

struct Pages {
  int per_sequence = 0, size = 0;
  std::vector<int32_t> table;
  int64_t rows() const { return static_cast<int64_t>(table.size()) * size; }
  int64_t row(int64_t sequence, int64_t position) const {
    return int64_t{table[static_cast<size_t>(sequence * per_sequence + position / size)]} * size + position % size;
  }
};

inline Pages shuffled_pages(int sequences, int64_t positions, int size) {
  Pages pages;
  pages.size = size;
  pages.per_sequence = static_cast<int>((positions + size - 1) / size) + 1;
  pages.table.resize(static_cast<size_t>(sequences) * static_cast<size_t>(pages.per_sequence));
  std::iota(pages.table.begin(), pages.table.end(), 0);
  std::shuffle(pages.table.begin(), pages.table.end(), std::mt19937(7));
  return pages;
}

struct Heads {
  int heads, kv_heads;
};

inline int64_t first_in_sight(int64_t position, int64_t window) {
  return window > 0 ? std::max<int64_t>(0, position - window + 1) : 0;
}

inline std::vector<TypeAndSize> types_and_sizes() {
  std::vector<TypeAndSize> cases;
  for (const DType dtype : {DType::kBF16, DType::kF16}) {
    for (const int head_dim : {16, 24, 64, 96, 128, 256}) cases.push_back({dtype, head_dim});
  }
  return cases;
}

inline std::string name_of_case(const testing::TestParamInfo<TypeAndSize>& info) {
  return std::string(name_of(info.param.dtype)) + "_" + std::to_string(info.param.head_dim);
}

}  // namespace gptq::backend::cuda
