// For products that are added to the 32-bit sums at once, without sums of their own within a block.
template <int kBits>
using Partial = Sum;
template <int kBits>
static inline Sum begin(Sum sum) {
  return sum;
}
template <int kBits>
static inline Sum end(Sum, Sum partial) {
  return partial;
}
