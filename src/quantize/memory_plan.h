// What a quantization keeps on the device and what waits in host memory, chosen before it starts.
//
// Plans differ in time and memory only. Bytes of the output are the same for plans with the same batches; batches of
// another size sum in another order, which can change the last bit of a sum.
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
  std::vector<int64_t> held = {};     // of those held apart for measuring
  bool gptaq = false;
  bool true_sequential = true;
  int64_t batch_rows = 0;        // of the largest batch: Capabilities::batch_rows
  int64_t activation_bytes = 4;  // of one element of Capabilities::activation_dtype
  // GptqOps::scratch_bytes; none without it.
  std::function<int64_t(backend::GptqOp op, int64_t n, int64_t k)> scratch_bytes = {};

  int64_t tokens() const;  // of all windows
  int64_t longest() const { return lengths.front(); }
};

struct MemoryPlan {
  int64_t batch_rows = 1;          // tokens of a batch, at most, unless one window has more
  bool keep_inputs = true;         // false: what is not the residual stream is computed again from it
  int64_t resident_batches = 0;    // the first ones stay on the device; the others' residual streams in host memory
  bool hessian_on_host = false;    // while the regression of GPTAQ works
  int64_t device_bytes = 0;        // predicted peak of what the backend allocates
  int64_t stream_host_bytes = 0;   // of the residual streams in host memory
  int64_t hessian_host_bytes = 0;  // of the Hessian that waits there

  int64_t host_bytes() const { return stream_host_bytes + hessian_host_bytes; }
};

// The fastest plan whose peak fits `available` bytes; nullopt when none does.
std::optional<MemoryPlan> plan_memory(const MemoryProblem& problem, int64_t available);

// The plan that needs least.
MemoryPlan smallest_memory_plan(const MemoryProblem& problem);

// Bytes that must be available for a plan: its peak and what a memory pool loses between matrices.
int64_t required_bytes(const MemoryPlan& plan);

}  // namespace gptq::quantization
