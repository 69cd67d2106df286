// Chooses the inner loops for the processor; the only file with a branch on the target architecture.
#include "backend/cpu/cpu_features.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <string>

#include <gptq/error.h>

#include "backend/cpu/kernels.h"
#include "backend/cpu/packed/kernels.h"

namespace gptq::backend {

namespace {

struct Choice {
  const char* name;
  const Kernels* kernels;
  const packed::Kernels* packed;
};

// In the order of InstructionSet.
const Choice kChoices[] = {{"portable", &portable::kKernels, &packed::portable::kKernels},
#if defined(__x86_64__)
                           {"avx2", &avx2::kKernels, &packed::avx2::kKernels},
                           {"avx_vnni", &avx2::kKernels, &packed::avx_vnni::kKernels},
                           {"avx512", &avx512::kKernels, &packed::avx512::kKernels},
                           {"avx512_vnni", &avx512::kKernels, &packed::avx512_vnni::kKernels}
#endif
};

bool supported(InstructionSet set) {
  if (set == InstructionSet::kPortable) return true;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  switch (set) {
    case InstructionSet::kAvx2: return avx2;
    case InstructionSet::kAvxVnni: return avx2 && __builtin_cpu_supports("avxvnni");
    case InstructionSet::kAvx512: return avx512;
    default: return avx512 && __builtin_cpu_supports("avx512vnni");
  }
#else
  return false;
#endif
}

InstructionSet choose() {
  int highest = static_cast<int>(std::size(kChoices)) - 1;
  if (const char* wanted = std::getenv("GPTQ_ISA")) {
    const auto* found = std::find_if(std::begin(kChoices), std::end(kChoices),
                                     [&](const Choice& choice) { return choice.name == std::string(wanted); });
    if (found == std::end(kChoices)) {
      throw Error(ErrorKind::kUsage, std::string("choosing CPU kernels: GPTQ_ISA is \"") + wanted +
                                         "\", expected portable, avx2, avx_vnni, avx512 or avx512_vnni");
    }
    highest = static_cast<int>(found - std::begin(kChoices));
  }
  while (!supported(static_cast<InstructionSet>(highest))) --highest;
  return static_cast<InstructionSet>(highest);
}

const Choice& chosen() { return kChoices[static_cast<int>(instruction_set())]; }

}  // namespace

InstructionSet instruction_set() {
  static const InstructionSet set = choose();
  return set;
}

const char* to_string(InstructionSet set) { return kChoices[static_cast<int>(set)].name; }

const Kernels& best_kernels() { return *chosen().kernels; }

namespace packed {
const Kernels& kernels() { return *chosen().packed; }

bool prefetches_one_row() {
#if defined(__x86_64__)
  static const bool amd = (__builtin_cpu_init(), __builtin_cpu_is("amd"));
  return !amd;
#else
  return true;
#endif
}
}  // namespace packed

}  // namespace gptq::backend
