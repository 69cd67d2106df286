// quantize() on a backend made by the caller.
#pragma once

#include <functional>
#include <memory>

#include <gptq/quantize.h>

#include "backend/backend.h"

namespace gptq::quantization {

// The arguments are those of make_backend().
using BackendMaker = std::function<std::unique_ptr<backend::Backend>(const ComputeOptions& options, DType activations)>;

QuantizeReport quantize_with(const BackendMaker& make, const QuantizeOptions& options, const QuantizeSink& on_progress,
                             const std::stop_token& stop);

}  // namespace gptq::quantization
