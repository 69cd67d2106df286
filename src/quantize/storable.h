// Checks that a GPTQ checkpoint can represent the values: its biases and scales are fp16.
#pragma once

#include <span>
#include <string>

#include "checkpoint/checkpoint.h"
#include "quantize/module_plan.h"

namespace gptq::quantization {

// Checks the biases of all linears that will be packed. Throws Error(kNumerical) naming the first tensor with a value
// that is beyond fp16 or not finite, the value, and the --skip pattern that excludes its linear.
void check_biases(const checkpoint::Checkpoint& checkpoint, const ModelPlan& plan);

// Checks the scales chosen for one linear, and its error. Throws Error(kNumerical) naming the module if a scale was
// limited to fp16's largest number, or if the error is not finite.
void check_solved(const std::string& module, std::span<const float> scales, double error);

}  // namespace gptq::quantization
