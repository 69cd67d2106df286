// The inner loops for x86 processors with AVX-512 F, BW, VL and DQ (compiler flags: see CMakeLists.txt).
#include <utility>

#include "backend/cpu/kernels.h"

namespace gptq::backend::avx512 {

constexpr const char* kName = "avx512";
constexpr int kHeads = 4;  // 8 sums and 2 keys, or 16 sums and 4 values, in 32 registers
// The order matters.
// clang-format off
#include "backend/cpu/kernels.inl"
#include "backend/cpu/attention_kernels.inl"
#include "backend/cpu/gptq_strip.inl"
#include "backend/cpu/kernel_table.inl"
// clang-format on

}  // namespace gptq::backend::avx512
