// Products of codes and activations for any processor, in GCC vector types of 16 bytes.
#include <utility>

#include "backend/cpu/packed/kernels.h"

namespace gptq::backend::packed::portable {

constexpr const char* kName = "portable";

using Vec = uint32_t __attribute__((vector_size(16)));
using Sum = int32_t __attribute__((vector_size(16)));
using Float = float __attribute__((vector_size(16)));
using Words = int16_t __attribute__((vector_size(16)));
using Half = uint16_t __attribute__((vector_size(8), aligned(2)));
using Byte = uint8_t __attribute__((vector_size(4), aligned(1)));
struct Input {
  Words even, odd;  // bytes 0 and 2, 1 and 3, for every column
};
constexpr int kWidth = 4;
constexpr int kManyRows = 2;
constexpr int kVecsOfOneRow = 2;
constexpr int kVecsOfManyRows = 2;
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
#if defined(__SSE2__)
#define GPTQ_REGISTER "+x"
#else
#define GPTQ_REGISTER "+m"
#endif
static inline void hide(Vec& v) { asm volatile("" : GPTQ_REGISTER(v)); }
static inline Input broadcast(const int8_t* p) {
  const int16_t a = p[0], b = p[1], c = p[2], d = p[3];
  return {Words{a, c, a, c, a, c, a, c}, Words{b, d, b, d, b, d, b, d}};
}
static inline Sum zero_sum() { return Sum{}; }
static inline Float zero_float() { return Float{}; }
static inline Float to_float(Sum sum) { return __builtin_convertvector(sum, Float); }
static inline Float to_float(Sum high, Sum low) { return __builtin_convertvector((high << 8) + low, Float); }
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

// Σ of neighbouring products, as 32-bit integers.
static inline Sum multiply_add(Words a, Words b) {
#if defined(__SSE2__)
  return (Sum)__builtin_ia32_pmaddwd128(a, b);
#else
  const Sum x = (Sum)a, y = (Sum)b;
  return ((x << 16) >> 16) * ((y << 16) >> 16) + (x >> 16) * (y >> 16);
#endif
}

#include "backend/cpu/packed/direct.inl"

template <int kBits>
static inline void partial_dot(Sum& sum, Vec codes, const Input& x) {
  sum += multiply_add((Words)(codes & 0x00FF00FFu), x.even) + multiply_add((Words)(codes >> 8 & 0x00FF00FFu), x.odd);
  asm("" : GPTQ_REGISTER(sum));  // in this order: GCC would keep all products of a block and add them later
}

#include "backend/cpu/packed/kernels.inl"

}  // namespace gptq::backend::packed::portable
