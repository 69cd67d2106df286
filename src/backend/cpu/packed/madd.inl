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

// Adds 16-bit integers; in the order of the source, as GCC would keep all products of a block and add them later.
static inline void add_in_order(Vec& sum, Vec products) {
  sum = GPTQ_V(add_epi16)(sum, products);
  asm("" : "+v"(sum));
}

template <int kBits>
static inline void partial_dot(Partial<kBits>& partial, Vec codes, Input x) {
  if constexpr (kBits == 8) {
    add_in_order(partial.sum[0], GPTQ_V(maddubs_epi16)(mask<15>(codes), x));
    add_in_order(partial.sum[1], GPTQ_V(maddubs_epi16)(mask<15>(shift<4>(codes)), x));
  } else {
    add_in_order(partial.sum[0], GPTQ_V(maddubs_epi16)(codes, x));
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
