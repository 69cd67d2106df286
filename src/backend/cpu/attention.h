// Causal attention on the CPU over contiguous keys and values.
#pragma once

#include "backend/backend.h"
#include "core/threads.h"

namespace gptq {

// The row of a cache in host memory that holds a position.
int64_t cache_row(const PageTable& table, int64_t sequence, int64_t position);

void cpu_attention(MatrixView out, const AttentionArgs& args, ThreadPool& pool);  // out [T, H·D]

}  // namespace gptq
