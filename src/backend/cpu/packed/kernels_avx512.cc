// Products of codes and activations for processors with AVX-512 without VNNI (Skylake-X).
//
// VPMADDUBSW adds two products to a 16-bit integer, which saturates. Within a block of 32 inputs it cannot: codes of up
// to 4 bits give at most 8 · 2 · 15 · 128 = 30,720. Codes of 8 bits are multiplied as two halves of 4 bits.
#include <immintrin.h>

#include <utility>

#include "backend/cpu/packed/kernels.h"

namespace gptq::backend::packed::avx512 {

constexpr const char* kName = "avx512";

#include "backend/cpu/packed/avx512.inl"

#define GPTQ_V(name) _mm512_##name
#include "backend/cpu/packed/madd.inl"
#undef GPTQ_V

#include "backend/cpu/packed/kernels.inl"

}  // namespace gptq::backend::packed::avx512
