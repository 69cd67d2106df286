// Products without VNNI: 16-bit sums within a block. GPTQ_V(name) is the intrinsic function of the vector's width.
template <int kBits>
struct Partial {
  Vec sum[kBits == 8 ? 2 : 1];  // of the low and high halves of 8-bit codes
};

template <int kBits>
static inline Partial<kBits> begin(Sum) {
  Partial<kBits> partial;
  for (Vec& sum : partial.sum) sum = zero_sum();
  return partial;
}

template <int kBits>
static inline void partial_dot(Partial<kBits>& partial, Vec codes, Input x) {
  if constexpr (kBits == 8) {
    partial.sum[0] = GPTQ_V(add_epi16)(partial.sum[0], GPTQ_V(maddubs_epi16)(mask<15>(codes), x));
    partial.sum[1] = GPTQ_V(add_epi16)(partial.sum[1], GPTQ_V(maddubs_epi16)(mask<15>(shift<4>(codes)), x));
  } else {
    partial.sum[0] = GPTQ_V(add_epi16)(partial.sum[0], GPTQ_V(maddubs_epi16)(codes, x));
  }
}

template <int kBits>
static inline Sum end(Sum sum, const Partial<kBits>& partial) {
  const Vec ones = GPTQ_V(set1_epi16)(1);
  sum = GPTQ_V(add_epi32)(sum, GPTQ_V(madd_epi16)(partial.sum[0], ones));
  if constexpr (kBits == 8) {
    sum = GPTQ_V(add_epi32)(sum, GPTQ_V(slli_epi32)(GPTQ_V(madd_epi16)(partial.sum[1], ones), 4));
  }
  return sum;
}
