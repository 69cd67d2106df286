// What a quantization keeps on the device and what in host memory, chosen before it starts.
//
// Plans differ in time and memory only. Plans with the same batches produce the same output bytes; batches of another
// size change the order of summation, which can change the last bit of a sum.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "backend/gptq_ops.h"
#include "model/architecture.h"
#include "quantize/module_plan.h"

namespace gptq::quantization {

struct MemoryProblem {
  const model::Architecture& architecture;
  const ModelPlan& modules;
  std::vector<int64_t> lengths = {};  // of the windows, longest first
  std::vector<int64_t> held = {};     // of those held out for measuring errors
  bool gptaq = false;
  bool true_sequential = true;
  int64_t batch_rows = 0;        // of the largest batch: Capabilities::batch_rows
  int64_t activation_bytes = 4;  // of one element of Capabilities::activation_dtype
  // GptqOps::scratch_bytes; no scratch without it.
  std::function<int64_t(backend::GptqOp op, int64_t n, int64_t k)> scratch_bytes = {};

  int64_t tokens() const;  // of all windows
  int64_t longest() const { return lengths.front(); }
};

struct MemoryPlan {
  int64_t batch_rows = 1;          // maximum tokens of a batch, unless one window has more
  bool keep_inputs = true;         // false: only the residual stream is kept, the rest is recomputed
  int64_t resident_batches = 0;    // the first ones are on the device; the others' residual streams in host memory
  bool hessian_on_host = false;    // during the regression of GPTAQ
  int64_t device_bytes = 0;        // predicted peak of what the backend allocates
  int64_t stream_host_bytes = 0;   // of the residual streams in host memory
  int64_t hessian_host_bytes = 0;  // of the Hessian in host memory

  int64_t host_bytes() const { return stream_host_bytes + hessian_host_bytes; }
};

// The fastest plan whose peak fits in `available` bytes; nullopt if none does.
std::optional<MemoryPlan> plan_memory(const MemoryProblem& problem, int64_t available);

// The plan that needs the least memory.
MemoryPlan smallest_memory_plan(const MemoryProblem& problem);

// Bytes that must be available for a plan: its peak and the fragmentation of the memory pool.
int64_t required_bytes(const MemoryPlan& plan);

}  // namespace gptq::quantization
