// Chooses the inner loops for the processor; the only file with a branch on the target architecture.
#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <string>

#include <gptq/error.h>

#include "backend/cpu/kernels.h"

namespace gptq::backend {

namespace {

int level() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  return avx512 ? 2 : avx2 ? 1 : 0;
#else
  return 0;
#endif
}

const Kernels& choose() {
  const Kernels* const sets[] = {&portable::kKernels, &avx2::kKernels, &avx512::kKernels};
  int best = level();
  if (const char* wanted = std::getenv("GPTQ_ISA")) {
    const auto* found =
        std::find_if(std::begin(sets), std::end(sets), [&](auto* set) { return set->name == std::string(wanted); });
    if (found == std::end(sets)) {
      throw Error(ErrorKind::kUsage, std::string("choosing CPU kernels: GPTQ_ISA is \"") + wanted +
                                         "\", expected portable, avx2 or avx512");
    }
    best = std::min(best, static_cast<int>(found - std::begin(sets)));
  }
  return *sets[best];
}

}  // namespace

const Kernels& best_kernels() {
  static const Kernels& chosen = choose();
  return chosen;
}

}  // namespace gptq::backend
