// The instruction set in use: the best one of this processor, or a lesser one that GPTQ_ISA names.
#pragma once

namespace gptq::backend {

enum class InstructionSet { kPortable, kAvx2, kAvxVnni, kAvx512, kAvx512Vnni };

// Throws Error(kUsage) when GPTQ_ISA has another value than the names: portable, avx2, avx_vnni, avx512, avx512_vnni. A
// set that the processor lacks is replaced by the best one below it.
InstructionSet instruction_set();
const char* to_string(InstructionSet set);

}  // namespace gptq::backend
