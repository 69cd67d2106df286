// Random weights of any supported architecture as a checkpoint folder, dense or GPTQ-packed.
#pragma once

#include <optional>
#include <string>

#include <gptq/quantize.h>

#include "core/dtype.h"
#include "core/file.h"
#include "core/json.h"
#include "core/threads.h"

namespace gptq::bench {

struct RandomCheckpoint {
  OrderedJson config;               // config.json
  DType dtype = DType::kBF16;       // of everything that is not packed: kBF16 or kF16
  std::optional<GridOptions> grid;  // packs the linears of the layers
  uint64_t seed = 0;
};

// Writes weights and configs; the folder must exist. Linears are normal with deviation 0.02, those that write to the
// residual stream divided by sqrt(2·layers), embeddings and head 0.02, norms 1, so that activations
// keep the size they have in trained models. Packed linears have uniform codes and scales that give the same
// deviation. The bytes depend on the arguments alone, not on the number of threads.
// Throws Error(kVerification) for a config that is not supported, Error(kUsage) for a grid that does not fit it, and
// what CheckpointWriter throws.
void write_random_checkpoint(const RandomCheckpoint& wanted, const fs::path& folder, ThreadPool& pool);

}  // namespace gptq::bench
