// The inner loops for x86 processors with AVX-512 F, BW, VL and DQ (compiler flags: see CMakeLists.txt).
#include "backend/cpu/kernels.h"

namespace gptq::avx512 {

constexpr const char* kName = "avx512";
constexpr bool kLookup = true;
#include "backend/cpu/kernels.inl"
#include "backend/cpu/gptq_strip.inl"
#include "backend/cpu/kernel_table.inl"

}  // namespace gptq::avx512
