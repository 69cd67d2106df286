// The interface of a device: all operations of the model and of GPTQ, independent of the hardware.
#pragma once

#include <memory>

#include <gptq/device.h>

#include "backend/capabilities.h"
#include "backend/gptq_ops.h"
#include "backend/memory.h"
#include "backend/model_ops.h"

namespace gptq::backend {

// Operations of one backend run in the order of the calls. Not thread-safe.
class Backend : public Memory, public ModelOps, public GptqOps {
 public:
  ~Backend() override = default;
  virtual Device device() const = 0;
  virtual const Capabilities& capabilities() const = 0;
  // Limits that a backend measures in its own way, within about a second; 0 where copies and dense products serve.
  struct Limits {
    double read = 0;      // bytes per second, of memory that is only read
    double products = 0;  // operations (two per product) per second on 8-bit integers
  };
  virtual Limits measure_limits() { return {}; }
  DType activation_dtype() const { return capabilities().activation_dtype; }
};

// `activations` is the activation type on a GPU, BF16 or F16; the CPU uses F32. Throws Error(kUsage) for a device that
// this build or this machine does not have.
std::unique_ptr<Backend> make_backend(const ComputeOptions& options, DType activations = DType::kBF16);

}  // namespace gptq::backend
