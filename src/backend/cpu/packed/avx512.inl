// 512-bit vectors, for kernels_avx512*.cc: without the products, which differ.
using Vec = __m512i;
using Sum = __m512i;
using Input = __m512i;
using Float = __m512;
constexpr int kWidth = 16;
constexpr int kManyRows = 6;
constexpr int kVecsOfOneRow = 2;
constexpr int kVecsOfManyRows = 2;
constexpr int kPrefetch = 2048;  // bytes

static inline Vec load(const uint8_t* p) { return _mm512_load_si512(p); }
// Right by a positive number of bits, left by a negative one; bits that cross into another byte are masked later.
template <int kBits>
static inline Vec shift(Vec v) {
  return kBits >= 0 ? _mm512_srli_epi16(v, kBits >= 0 ? kBits : 0) : _mm512_slli_epi16(v, kBits < 0 ? -kBits : 0);
}
template <int kMask>
static inline Vec mask(Vec v) {
  return _mm512_and_si512(v, _mm512_set1_epi8(kMask));
}
static inline Vec either(Vec a, Vec b) { return _mm512_or_si512(a, b); }
// Keeps the compiler from knowing the value.
static inline void hide(Vec& v) { asm volatile("" : "+v"(v)); }
static inline Input broadcast(const int8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, 4);
  return _mm512_set1_epi32(four);
}
static inline Sum zero_sum() { return _mm512_setzero_si512(); }
static inline Float zero_float() { return _mm512_setzero_ps(); }
static inline Float to_float(Sum sum) { return _mm512_cvtepi32_ps(sum); }
static inline Float to_float(Sum high, Sum low) {
  return _mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_slli_epi32(high, 8), low));
}
static inline Float load_scales(const uint16_t* p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)p)); }
static inline Float load_zeros(const uint8_t* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)p)));
}
static inline void store_float(float* p, Float v) { _mm512_storeu_ps(p, v); }
