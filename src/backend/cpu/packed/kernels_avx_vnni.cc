// Products of codes and activations for processors with AVX-VNNI: VNNI of 256 bits (Alder Lake, Zen 5 and newer).
#include <immintrin.h>

#include <utility>

#include "backend/cpu/packed/kernels.h"

namespace gptq::backend::packed::avx_vnni {

constexpr const char* kName = "avx_vnni";

#include "backend/cpu/packed/avx2.inl"
#include "backend/cpu/packed/direct.inl"

// An instruction of its own: GCC 12 moves the accumulators of the intrinsic function through memory.
template <int kBits>
static inline void partial_dot(Sum& sum, Vec codes, Input x) {
  asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(codes), "x"(x));
}

#include "backend/cpu/packed/kernels.inl"

}  // namespace gptq::backend::packed::avx_vnni
