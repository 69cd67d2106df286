// The inner loops for any processor (compiler flags: see CMakeLists.txt).
#include <utility>

#include "backend/cpu/kernels.h"

namespace gptq::backend::portable {

constexpr const char* kName = "portable";
constexpr int kHeads = 2;
// The order matters.
// clang-format off
#include "backend/cpu/kernels.inl"
#include "backend/cpu/attention_kernels.inl"
#include "backend/cpu/gptq_strip.inl"
#include "backend/cpu/kernel_table.inl"
// clang-format on

}  // namespace gptq::backend::portable
