// The inner loops in GCC vector types: included once per instruction set in a separate namespace.
//
// Always 16 lanes: one zmm register with AVX-512, two ymm with AVX2, four xmm in the portable build.

using F32 = float __attribute__((vector_size(64)));
using U32 = uint32_t __attribute__((vector_size(64)));
using I32 = int32_t __attribute__((vector_size(64)));
using F32Unaligned = float __attribute__((vector_size(64), aligned(4)));
using U32Unaligned = uint32_t __attribute__((vector_size(64), aligned(4)));
using U16 = uint16_t __attribute__((vector_size(32)));
using U16Unaligned = uint16_t __attribute__((vector_size(32), aligned(2)));

constexpr int kLanes = 16;

static inline F32 load(const float* p) { return *reinterpret_cast<const F32Unaligned*>(p); }
static inline U32 load(const uint32_t* p) { return *reinterpret_cast<const U32Unaligned*>(p); }
static inline void store(float* p, F32 v) { *reinterpret_cast<F32Unaligned*>(p) = v; }
static inline F32 broadcast(float v) { return F32{} + v; }
static inline F32 as_float(U32 v) { return (F32)v; }
static inline U32 as_bits(F32 v) { return (U32)v; }

static inline float sum_lanes(F32 v) {
  float sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += v[i];
  return sum;
}

static inline U32 load_u16(const uint16_t* p) {
  const U16 narrow = *reinterpret_cast<const U16Unaligned*>(p);
  return __builtin_convertvector(narrow, U32);
}
static inline F32 load_bf16(const uint16_t* p) { return as_float(load_u16(p) << 16); }
// Weights are finite, so a shift of the exponent and a scale by 2^112 suffice; this is correct for subnormals too.
static inline F32 load_f16(const uint16_t* p) {
  const U32 bits = load_u16(p);
  const F32 magnitude = as_float((bits & 0x7FFFu) << 13) * 0x1p112f;
  return as_float(as_bits(magnitude) | ((bits & 0x8000u) << 16));
}
static inline float scalar_bf16(uint16_t v) { return __builtin_bit_cast(float, uint32_t{v} << 16); }
static inline float scalar_f16(uint16_t v) {
  const float magnitude = __builtin_bit_cast(float, (uint32_t{v} & 0x7FFFu) << 13) * 0x1p112f;
  return __builtin_bit_cast(float, __builtin_bit_cast(uint32_t, magnitude) | ((uint32_t{v} & 0x8000u) << 16));
}

// exp(x) for x ≤ 88, 2 ulp: 2^n · p(r) with r = x − n·ln 2 and a polynomial of degree 6; 0 below −87.
static inline F32 exp_lanes(F32 x) {
  const F32 low = broadcast(-87.0f);
  const I32 underflow = x < low;
  x = underflow ? low : x;
  const F32 magic = broadcast(0x1.8p23f);
  const F32 n = (x * 1.44269504088896341f + magic) - magic;
  F32 r = x - n * 0.693145751953125f;
  r = r - n * 1.42860682030941723e-6f;
  F32 p = broadcast(1.0f / 720);
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const I32 exponent = (__builtin_convertvector(n, I32) + 127) << 23;
  const F32 result = p * (F32)exponent;
  return underflow ? F32{} : result;
}

static inline float scalar_exp(float x) {
  const F32 v = exp_lanes(broadcast(x));
  return v[0];
}

// ---- dense rows

template <typename T, F32 (*kLoad)(const T*), float (*kScalar)(T)>
static float dot(const T* w, const float* x, int64_t count) {
  F32 sums[4] = {};
  int64_t i = 0;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes) {
    for (int j = 0; j < 4; ++j) sums[j] += kLoad(w + i + j * kLanes) * load(x + i + j * kLanes);
  }
  for (; i + kLanes <= count; i += kLanes) sums[0] += kLoad(w + i) * load(x + i);
  float total = sum_lanes((sums[0] + sums[1]) + (sums[2] + sums[3]));
  for (; i < count; ++i) total += kScalar(w[i]) * x[i];
  return total;
}

static inline F32 load_f32(const float* p) { return load(p); }
static inline float scalar_f32(float v) { return v; }

template <F32 (*kLoad)(const uint16_t*), float (*kScalar)(uint16_t)>
static void widen(float* out, const uint16_t* in, int64_t count) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(out + i, kLoad(in + i));
  for (; i < count; ++i) out[i] = kScalar(in[i]);
}

// ---- elementwise

static void rms_norm(float* out, const float* x, const float* weight, int64_t count, float eps) {
  const float mean = dot<float, load_f32, scalar_f32>(x, x, count) / static_cast<float>(count);
  const float factor = 1.0f / __builtin_sqrtf(mean + eps);
  for (int64_t i = 0; i < count; ++i) out[i] = x[i] * factor * weight[i];
}

static void silu_multiply(float* out, const float* gate, const float* up, int64_t count) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const F32 g = load(gate + i);
    store(out + i, g / (exp_lanes(-g < 88.0f ? -g : broadcast(88.0f)) + 1.0f) * load(up + i));
  }
  for (; i < count; ++i) {
    const float g = gate[i];
    out[i] = g / (scalar_exp(-g < 88.0f ? -g : 88.0f) + 1.0f) * up[i];
  }
}

static void layer_norm(float* out, const float* x, const float* weight, int64_t count, float eps) {
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < count; ++i) sum += x[i];
  const double mean = sum / static_cast<double>(count);
  for (int64_t i = 0; i < count; ++i) squares += (x[i] - mean) * (x[i] - mean);
  const double factor = 1.0 / __builtin_sqrt(squares / static_cast<double>(count) + eps);
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<float>((x[i] - mean) * factor) * weight[i];
}

// x · sigmoid(2·u) with u = √(2/π) · (x + 0.044715·x³)
static inline F32 gelu_tanh_lanes(F32 x) {
  const F32 exponent = (x + 0.044715f * x * x * x) * -1.59576912160573071f;
  return x / (exp_lanes(exponent < 88.0f ? exponent : broadcast(88.0f)) + 1.0f);
}

// `up` may be null.
static void gelu_tanh(float* out, const float* x, const float* up, int64_t count) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const F32 y = gelu_tanh_lanes(load(x + i));
    store(out + i, up == nullptr ? y : y * load(up + i));
  }
  for (; i < count; ++i) out[i] = gelu_tanh_lanes(broadcast(x[i]))[0] * (up == nullptr ? 1.0f : up[i]);
}

// tanh(x): a series near zero, where the quotient would cancel.
static inline F32 tanh_lanes(F32 x) {
  const F32 square = x * x;
  const F32 series = x * (1.0f + square * (-1.0f / 3 + square * (2.0f / 15 + square * (-17.0f / 315))));
  const F32 magnitude = x < 0.0f ? -x : x;
  const F32 bounded = magnitude < 20.0f ? magnitude : broadcast(20.0f);
  const F32 quotient = 1.0f - 2.0f / (exp_lanes(bounded + bounded) + 1.0f);
  const F32 result = magnitude < 0.2f ? series : (x < 0.0f ? -quotient : quotient);
  return x != x ? x : result;
}

static void soft_cap(float* x, int64_t count, float factor, float cap) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(x + i, tanh_lanes(load(x + i) * factor / cap) * cap);
  for (; i < count; ++i) x[i] = tanh_lanes(broadcast(x[i] * factor / cap))[0] * cap;
}

static void add(float* x, const float* y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) x[i] += y[i];
}

static float softmax_exp(float* x, int64_t count, float factor) {
  float highest = -__builtin_inff();
  for (int64_t i = 0; i < count; ++i) highest = x[i] * factor > highest ? x[i] * factor : highest;
  F32 sums{};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const F32 e = exp_lanes(load(x + i) * factor - highest);
    store(x + i, e);
    sums += e;
  }
  float total = sum_lanes(sums);
  for (; i < count; ++i) {
    x[i] = scalar_exp(x[i] * factor - highest);
    total += x[i];
  }
  return total;
}

static void scale(float* x, int64_t count, float factor) {
  for (int64_t i = 0; i < count; ++i) x[i] *= factor;
}

static void axpy(float* y, const float* x, int64_t count, float factor) {
  for (int64_t i = 0; i < count; ++i) y[i] += factor * x[i];
}
