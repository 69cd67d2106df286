// The sampling chain on the device: logits to tokens in one launch.
#pragma once

#include <cstdint>

#include <gptq/sampling.h>

#include "backend/cuda/device/context.h"

namespace gptq::backend::cuda {

// Samples each sequence's token like `sample_token` (backend/sampling/sample.h), and writes the next step's inputs.
struct SampleArgs {
  const float* logits = nullptr;  // [B, ≥ vocabulary], rows `stride` apart
  int64_t stride = 0;
  int batch = 0;
  int vocabulary = 0;                  // ids from here on are never sampled
  const Sampling* sampling = nullptr;  // [B]
  const double* uniforms = nullptr;    // [B], may be in host memory; not read at temperature 0
  // [B, vocabulary]  1 = seen; sampled tokens are marked. Used with a repetition penalty only.
  uint8_t* seen = nullptr;
  int32_t* tokens = nullptr;     // [B], out
  int32_t* positions = nullptr;  // [B], incremented; may be null
  int32_t* record = nullptr;     // [B], out: the tokens, in host memory; may be null. kNoToken is written only here:
                                 // the next step's input is then token 0
};

// `dependent`: by programmatic dependent launch, if the device supports it. `sampling` and `uniforms` are read before
// the previous kernel is done.
void launch_sample(const Context& context, const SampleArgs& problem, bool dependent);

}  // namespace gptq::backend::cuda
