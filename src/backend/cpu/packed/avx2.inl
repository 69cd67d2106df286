// 256-bit vectors, for kernels_avx2.cc and kernels_avx_vnni.cc: without the products, which differ.
using Vec = __m256i;
using Sum = __m256i;
using Input = __m256i;
using Float = __m256;
constexpr int kWidth = 8;
constexpr int kManyRows = 3;
constexpr int kVecsOfOneRow = 4;
constexpr int kVecsOfManyRows = 2;
constexpr int kPrefetch = 2048;  // bytes

static inline Vec load(const uint8_t* p) { return _mm256_load_si256((const __m256i*)p); }
// Right by a positive number of bits, left by a negative one; bits that cross into another byte are masked later.
template <int kBits>
static inline Vec shift(Vec v) {
  return kBits >= 0 ? _mm256_srli_epi16(v, kBits >= 0 ? kBits : 0) : _mm256_slli_epi16(v, kBits < 0 ? -kBits : 0);
}
template <int kMask>
static inline Vec mask(Vec v) {
  return _mm256_and_si256(v, _mm256_set1_epi8(kMask));
}
static inline Vec either(Vec a, Vec b) { return _mm256_or_si256(a, b); }
// Keeps the compiler from knowing the value.
static inline void hide(Vec& v) { asm volatile("" : "+x"(v)); }
static inline Input broadcast(const int8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, 4);
  return _mm256_set1_epi32(four);
}
static inline Sum zero_sum() { return _mm256_setzero_si256(); }
static inline Float zero_float() { return _mm256_setzero_ps(); }
static inline Float to_float(Sum sum) { return _mm256_cvtepi32_ps(sum); }
static inline Float to_float(Sum high, Sum low) {
  return _mm256_cvtepi32_ps(_mm256_add_epi32(_mm256_slli_epi32(high, 8), low));
}
static inline Float load_scales(const uint16_t* p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)p)); }
static inline Float load_zeros(const uint8_t* p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)p)));
}
static inline void store_float(float* p, Float v) { _mm256_storeu_ps(p, v); }
