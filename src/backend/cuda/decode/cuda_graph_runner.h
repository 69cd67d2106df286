// One token of a whole model as a CUDA graph of fused kernels; five a layer for Llama's.
#pragma once

#include <memory>

#include "backend/cuda/device/context.h"
#include "backend/decode_runner.h"

namespace gptq::backend::cuda {

// Null when a layer's program or the model's weights have no launches for their steps and shapes.
std::unique_ptr<DecodeRunner> make_decode_runner(Context& context, DType activations, const DecodeModel& model);

}  // namespace gptq::backend::cuda
