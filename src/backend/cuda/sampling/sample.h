// The sampling chain on the device: logits to tokens in one launch.
#pragma once

#include <cstdint>

#include <gptq/sampling.h>

#include "backend/cuda/device/context.h"

namespace gptq::backend::cuda {

// Each sequence's token as `sample_token` takes it (backend/sampling/sample.h), and what the next decode step reads.
struct SampleArgs {
  const float* logits = nullptr;  // [B, ≥ vocabulary], rows `stride` apart
  int64_t stride = 0;
  int batch = 0;
  int vocabulary = 0;                  // ids from here on are never chosen
  const Sampling* sampling = nullptr;  // [B]
  const double* uniforms = nullptr;    // [B], may lie in host memory; not read at temperature 0
  // [B, vocabulary]  1 = seen; sampled tokens are marked. Used with a repetition penalty only.
  uint8_t* seen = nullptr;
  int32_t* tokens = nullptr;     // [B], out
  int32_t* positions = nullptr;  // [B], grow by 1; may be null
  int32_t* record = nullptr;     // [B], out: the tokens again, in host memory; may be null. kNoToken stands here only:
                                 // the next step reads token 0 then
};

// `dependent`: by programmatic dependent launch, where the device has it. `sampling` and `uniforms` are read before
// waiting for the kernel in front.
void launch_sample(const Context& context, const SampleArgs& problem, bool dependent);

}  // namespace gptq::backend::cuda
