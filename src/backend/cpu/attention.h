// Causal attention on the CPU over the rows of a ragged batch.
#pragma once

#include "backend/backend.h"
#include "core/threads.h"

namespace gptq::backend {

// The row of a cache in host memory that holds a position.
int64_t cache_row(const PageTable& table, int64_t sequence, int64_t position);

void cpu_attention(MatrixView out, const AttentionArgs& args, const BatchRows& rows, ThreadPool& pool);  // out [M, H·D]

}  // namespace gptq::backend
