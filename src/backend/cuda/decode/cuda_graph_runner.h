// One token of a whole model as a CUDA graph of fused kernels, five per layer for Llama.
#pragma once

#include <memory>

#include "backend/cuda/device/context.h"
#include "backend/decode_runner.h"

namespace gptq::backend::cuda {

// Null if the kernels do not support a step or shape of the model.
std::unique_ptr<DecodeRunner> make_decode_runner(Context& context, DType activations, const DecodeModel& model);

}  // namespace gptq::backend::cuda
