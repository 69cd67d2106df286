// Attention of a ragged batch: sequences with few new tokens go to the decode kernel, others to the prefill kernel.
#pragma once

#include "backend/cuda/device/context.h"
#include "backend/model_ops.h"

namespace gptq::backend::cuda {

void attention(Context& context, MatrixView out, const AttentionArgs& args, const BatchRows& rows);

}  // namespace gptq::backend::cuda
