// Loops that are unrolled with constant indices; included in the namespace of an instruction set, after <utility>.

template <typename Body, int... kIndices>
static inline __attribute__((always_inline)) void repeat_each(Body&& body, std::integer_sequence<int, kIndices...>) {
  (body(std::integral_constant<int, kIndices>{}), ...);
}
// body(0), …, body(n − 1) with constants, so that arrays they index are registers.
template <int kCount, typename Body>
static inline __attribute__((always_inline)) void repeat(Body&& body) {
  repeat_each(body, std::make_integer_sequence<int, kCount>{});
}
