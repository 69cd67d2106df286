// Counter-based random numbers: the i-th value of a stream costs the same for any i, on any thread.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <vector>

namespace gptq::bench {

// SplitMix64 (Steele, Lea, Flood 2014) as a hash of (stream, index).
class RandomStream {
 public:
  RandomStream(uint64_t seed, std::string_view name) : key_(mix(seed + 0x9E3779B97F4A7C15ull)) {
    for (const char c : name) key_ = mix(key_ ^ static_cast<unsigned char>(c));
  }

  uint64_t operator[](int64_t index) const { return mix(key_ + static_cast<uint64_t>(index) * 0x9E3779B97F4A7C15ull); }

 private:
  static uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
    return x ^ (x >> 31);
  }

  uint64_t key_;
};

// The inverse of the normal distribution's cumulative function for 0 < p < 1 (Acklam's rational approximation,
// relative error below 1.2e-9).
inline double normal_quantile(double p) {
  constexpr double a[] = {-3.969683028665376e+01, 2.209460984245205e+02,  -2.759285104469687e+02,
                          1.383577518672690e+02,  -3.066479806614716e+01, 2.506628277459239e+00};
  constexpr double b[] = {-5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02, 6.680131188771972e+01,
                          -1.328068155288572e+01};
  constexpr double c[] = {-7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00,
                          -2.549732539343734e+00, 4.374664141464968e+00,  2.938163982698783e+00};
  constexpr double d[] = {7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00, 3.754408661907416e+00};
  if (p > 0.5) return -normal_quantile(1 - p);
  if (p < 0.02425) {
    const double q = std::sqrt(-2 * std::log(p));
    return (((((c[0] * q + c[1]) * q + c[2]) * q + c[3]) * q + c[4]) * q + c[5]) /
           ((((d[0] * q + d[1]) * q + d[2]) * q + d[3]) * q + 1);
  }
  const double q = p - 0.5, r = q * q;
  return (((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r + a[5]) * q /
         (((((b[0] * r + b[1]) * r + b[2]) * r + b[3]) * r + b[4]) * r + 1);
}

// 65,536 quantiles of the normal distribution in a 16-bit type: one 64-bit random number picks four of them.
class NormalTable {
 public:
  template <typename Convert>  // float -> uint16_t
  NormalTable(double deviation, const Convert& convert) : values_(kSize) {
    for (size_t i = 0; i < kSize; ++i) {
      values_[i] = convert(static_cast<float>(deviation * normal_quantile((static_cast<double>(i) + 0.5) / kSize)));
    }
  }

  void fill(const RandomStream& stream, uint16_t* out, int64_t count) const {
    for (int64_t i = 0; i < count; i += 4) {
      uint64_t bits = stream[i / 4];
      for (int64_t j = i; j < i + 4 && j < count; ++j, bits >>= 16) out[j] = values_[bits & 0xFFFF];
    }
  }

 private:
  static constexpr size_t kSize = 1 << 16;
  std::vector<uint16_t> values_;
};

}  // namespace gptq::bench
