// Products of codes and activations for processors with AVX-512 VNNI (Ice Lake, Zen 4 and newer).
#include <immintrin.h>

#include <utility>

#include "backend/cpu/packed/kernels.h"

namespace gptq::backend::packed::avx512_vnni {

constexpr const char* kName = "avx512_vnni";

#include "backend/cpu/packed/avx512.inl"
#include "backend/cpu/packed/direct.inl"

// An instruction of its own: GCC 12 moves the accumulators of the intrinsic function through memory.
template <int kBits>
static inline void partial_dot(Sum& sum, Vec codes, Input x) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(codes), "v"(x));
}

#include "backend/cpu/packed/kernels.inl"

}  // namespace gptq::backend::packed::avx512_vnni
