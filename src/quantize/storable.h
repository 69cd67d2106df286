// What a GPTQ checkpoint cannot hold is found before it is lost: biases and scales are fp16 there.
#pragma once

#include <span>
#include <string>

#include "checkpoint/checkpoint.h"
#include "quantize/module_plan.h"

namespace gptq::quantization {

// The biases of all linears that will be packed. Throws Error(kNumerical) naming the first tensor with a value that is
// beyond fp16 or not finite, the value, and the --skip that leaves its linears as they are.
void check_biases(const checkpoint::Checkpoint& checkpoint, const ModelPlan& plan);

// The scales chosen for one linear, and its error. Throws Error(kNumerical) naming the module when a scale had to be
// cut to fp16's largest number, or when the error is not a number.
void check_solved(const std::string& module, std::span<const float> scales, double error);

}  // namespace gptq::quantization
