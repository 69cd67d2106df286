// Attention of one position: the query heads of a key head together, over keys and values that follow each other in memory
// with a stride. Every key and value is loaded once for kHeads heads, a constant of the including file.

#include "backend/cpu/repeat.inl"

// Σ of the lanes by halves.
static inline float fold_lanes(F32 v) {
  using F8 = float __attribute__((vector_size(32)));
  using F4 = float __attribute__((vector_size(16)));
  F8 halves[2];
  __builtin_memcpy(halves, &v, sizeof(v));
  const F8 eight = halves[0] + halves[1];
  F4 quarters[2];
  __builtin_memcpy(quarters, &eight, sizeof(eight));
  const F4 four = quarters[0] + quarters[1];
  return (four[0] + four[2]) + (four[1] + four[3]);
}

template <int kCount, int kKeys>
static inline __attribute__((always_inline)) void score_block(float* scores, int64_t stride, const float* q,
                                                              const float* keys, int64_t key_stride, int64_t d) {
  F32 sums[kCount][kKeys];
  repeat<kCount>([&](auto h) __attribute__((always_inline)) {
    repeat<kKeys>([&](auto j) __attribute__((always_inline)) { sums[h][j] = F32{}; });
  });
  int64_t i = 0;
  for (; i + kLanes <= d; i += kLanes) {
    F32 key[kKeys];
    repeat<kKeys>([&](auto j) __attribute__((always_inline)) { key[j] = load(keys + j * key_stride + i); });
    repeat<kCount>([&](auto h) __attribute__((always_inline)) {
      const F32 query = load(q + h * d + i);
      repeat<kKeys>([&](auto j) __attribute__((always_inline)) { sums[h][j] += query * key[j]; });
    });
  }
  repeat<kCount>([&](auto h) __attribute__((always_inline)) {
    repeat<kKeys>([&](auto j) __attribute__((always_inline)) {
      float sum = fold_lanes(sums[h][j]);
      for (int64_t k = i; k < d; ++k) sum += q[h * d + k] * keys[j * key_stride + k];
      scores[h * stride + j] = sum;
    });
  });
}

template <int kCount>
static void score_heads(float* scores, int64_t stride, const float* q, const float* keys, int64_t key_stride,
                        int64_t count, int64_t d) {
  int64_t j = 0;
  for (; j + 2 <= count; j += 2) score_block<kCount, 2>(scores + j, stride, q, keys + j * key_stride, key_stride, d);
  if (j < count) score_block<kCount, 1>(scores + j, stride, q, keys + j * key_stride, key_stride, d);
}

// scores[h][j] = q[h] · key j
static void attention_scores(float* scores, int64_t stride, const float* q, int64_t heads, const float* keys,
                             int64_t key_stride, int64_t count, int64_t d) {
  int64_t h = 0;
  for (; h + kHeads <= heads; h += kHeads) {
    score_heads<kHeads>(scores + h * stride, stride, q + h * d, keys, key_stride, count, d);
  }
  for (; h < heads; ++h) score_heads<1>(scores + h * stride, stride, q + h * d, keys, key_stride, count, d);
}

template <int kCount, int kVecs>
static void sum_block(float* out, int64_t d, const float* weights, int64_t stride, const float* values,
                      int64_t value_stride, int64_t count) {
  F32 sums[kCount][kVecs];
  repeat<kCount>([&](auto h) __attribute__((always_inline)) {
    repeat<kVecs>([&](auto v) __attribute__((always_inline)) { sums[h][v] = load(out + h * d + v * kLanes); });
  });
  for (int64_t j = 0; j < count; ++j) {
    F32 value[kVecs];
    repeat<kVecs>([&](auto v)
                      __attribute__((always_inline)) { value[v] = load(values + j * value_stride + v * kLanes); });
    repeat<kCount>([&](auto h) __attribute__((always_inline)) {
      const F32 weight = broadcast(weights[h * stride + j]);
      repeat<kVecs>([&](auto v) __attribute__((always_inline)) { sums[h][v] += weight * value[v]; });
    });
  }
  repeat<kCount>([&](auto h) __attribute__((always_inline)) {
    repeat<kVecs>([&](auto v) __attribute__((always_inline)) { store(out + h * d + v * kLanes, sums[h][v]); });
  });
}

template <int kCount>
static void sum_heads(float* out, int64_t d, const float* weights, int64_t stride, const float* values,
                      int64_t value_stride, int64_t count) {
  int64_t i = 0;
  for (; i + 4 * kLanes <= d; i += 4 * kLanes) {
    sum_block<kCount, 4>(out + i, d, weights, stride, values + i, value_stride, count);
  }
  for (; i + kLanes <= d; i += kLanes) {
    sum_block<kCount, 1>(out + i, d, weights, stride, values + i, value_stride, count);
  }
  for (; i < d; ++i) {
    for (int h = 0; h < kCount; ++h) {
      float sum = out[h * d + i];
      for (int64_t j = 0; j < count; ++j) sum += weights[h * stride + j] * values[j * value_stride + i];
      out[h * d + i] = sum;
    }
  }
}

// out[h] += Σ_j weights[h][j] · value j
static void attention_values(float* out, const float* weights, int64_t stride, int64_t heads, const float* values,
                             int64_t value_stride, int64_t count, int64_t d) {
  int64_t h = 0;
  for (; h + kHeads <= heads; h += kHeads) {
    sum_heads<kHeads>(out + h * d, d, weights + h * stride, stride, values, value_stride, count);
  }
  for (; h < heads; ++h) sum_heads<1>(out + h * d, d, weights + h * stride, stride, values, value_stride, count);
}

// x[j] = exp(scale · (x[j] − largest x)); returns the largest scale · x and Σ.
static void attention_softmax(float* x, int64_t count, float scale, float* largest, float* sum) {
  F32 tops = broadcast(-__builtin_inff());
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const F32 v = load(x + i) * scale;
    store(x + i, v);  // rounded, so that the largest one minus itself is 0
    tops = v > tops ? v : tops;
  }
  float top = -__builtin_inff();
  for (int lane = 0; lane < kLanes; ++lane) top = tops[lane] > top ? tops[lane] : top;
  for (; i < count; ++i) {
    x[i] *= scale;
    top = x[i] > top ? x[i] : top;
  }
  F32 sums{};
  i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const F32 e = exp_lanes(load(x + i) - top);
    store(x + i, e);
    sums += e;
  }
  float total = fold_lanes(sums);
  for (; i < count; ++i) total += x[i] = scalar_exp(x[i] - top);
  *largest = top;
  *sum = total;
}
