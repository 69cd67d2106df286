// Products of codes and activations for any processor, in GCC vector types.
//
// The integers are kept in floats, which represent them exactly: |Σ| ≤ 128 · 255 · 128 < 2²⁴.
#include <utility>

#include "backend/cpu/packed/kernels.h"

namespace gptq::backend::packed::portable {

constexpr const char* kName = "portable";

using Vec = uint32_t __attribute__((vector_size(64)));
using Float = float __attribute__((vector_size(64)));
using Half = uint16_t __attribute__((vector_size(32), aligned(2)));
using Byte = uint8_t __attribute__((vector_size(16), aligned(1)));
using Sum = Float;
struct Input {
  float values[4];
};
constexpr int kWidth = 16;
constexpr int kManyRows = 2;
constexpr int kVecsOfManyRows = 1;
constexpr int kPrefetch = 2048;  // bytes

static inline Vec load(const uint8_t* p) { return *reinterpret_cast<const Vec*>(p); }
// Right by a positive number of bits, left by a negative one; bits that cross into another byte are masked later.
template <int kBits>
static inline Vec shift(Vec v) {
  return kBits >= 0 ? v >> (kBits >= 0 ? kBits : 0) : v << (kBits < 0 ? -kBits : 0);
}
template <int kMask>
static inline Vec mask(Vec v) {
  return v & (kMask * 0x01010101u);
}
static inline Vec either(Vec a, Vec b) { return a | b; }
static inline Input broadcast(const int8_t* p) {
  return {{static_cast<float>(p[0]), static_cast<float>(p[1]), static_cast<float>(p[2]), static_cast<float>(p[3])}};
}
static inline Sum zero_sum() { return Sum{}; }
static inline Float zero_float() { return Float{}; }
static inline Float to_float(Sum sum) { return sum; }
static inline Float to_float(Sum high, Sum low) { return high * 256.0f + low; }
// Finite scales: a shift of the exponent and a factor of 2^112 suffice, also for subnormal ones.
static inline Float load_scales(const uint16_t* p) {
  const Vec bits = __builtin_convertvector(*reinterpret_cast<const Half*>(p), Vec);
  const Float magnitude = (Float)((bits & 0x7FFFu) << 13) * 0x1p112f;
  return (Float)((Vec)magnitude | ((bits & 0x8000u) << 16));
}
static inline Float load_zeros(const uint8_t* p) {
  return __builtin_convertvector(*reinterpret_cast<const Byte*>(p), Float);
}
static inline void store_float(float* p, Float v) { __builtin_memcpy(p, &v, sizeof(v)); }

template <int kBits>
using Partial = Sum;
template <int kBits>
static inline Sum begin(Sum sum) {
  return sum;
}
template <int kBits>
static inline void partial_dot(Sum& sum, Vec codes, const Input& x) {
  using Signed = int32_t __attribute__((vector_size(64)));
  for (int i = 0; i < 4; ++i) {
    sum += __builtin_convertvector((Signed)((codes >> (8 * i)) & 0xFFu), Float) * x.values[i];
  }
}
template <int kBits>
static inline Sum end(Sum, Sum partial) {
  return partial;
}

#include "backend/cpu/packed/kernels.inl"

}  // namespace gptq::backend::packed::portable
