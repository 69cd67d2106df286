// One token of a whole model as a CUDA graph of fused kernels, five a layer.
#pragma once

#include <memory>

#include "backend/cuda/device/context.h"
#include "backend/decode_runner.h"

namespace gptq::cuda {

// Null when the model's weights cannot be fused, for want of a kernel for their shapes.
std::unique_ptr<DecodeRunner> make_decode_runner(Context& context, DType activations, const StepModel& model);

}  // namespace gptq::cuda
