// The inner loops for x86 processors with AVX2, FMA and F16C (compiler flags: see CMakeLists.txt).
#include <utility>

#include "backend/cpu/kernels.h"

namespace gptq::backend::avx2 {

constexpr const char* kName = "avx2";
constexpr int kHeads = 2;
// The order matters.
// clang-format off
#include "backend/cpu/kernels.inl"
#include "backend/cpu/attention_kernels.inl"
#include "backend/cpu/gptq_strip.inl"
#include "backend/cpu/kernel_table.inl"
// clang-format on

}  // namespace gptq::backend::avx2
