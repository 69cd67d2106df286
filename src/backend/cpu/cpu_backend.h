// Creates the CPU backend, the implementation of Backend in host memory.
#pragma once

#include <memory>

#include "backend/backend.h"

namespace gptq::backend {

struct CpuPrecision {
  bool int8_head = true;      // heads of quantized models are rounded to 8 bits in groups of 128 inputs
  bool int8_prompts = false;  // activations have 8 bits, not 16, in steps of more than 8 rows
};

std::unique_ptr<Backend> make_cpu_backend(int threads, CpuPrecision precision = {});  // 0 = all hardware threads

}  // namespace gptq::backend
