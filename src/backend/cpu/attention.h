// Causal attention on the CPU over contiguous keys and values.
#pragma once

#include "backend/backend.h"
#include "core/threads.h"

namespace gptq {

void cpu_attention(MatrixView out, const AttentionArgs& args, ThreadPool& pool);  // out [T, H·D]

}  // namespace gptq
