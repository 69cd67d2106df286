// A model's default settings for generation.
#pragma once

#include <optional>
#include <vector>

#include <gptq/sampling.h>

#include "core/file.h"

namespace gptq::generate {

struct GenerationConfig {
  Sampling sampling;
  std::optional<int> max_new_tokens;
  std::vector<int> eos;
};

// Reads generation_config.json, if the folder has one. Greedy unless do_sample is true, as in transformers. Throws
// Error(kVerification) for values of the wrong type.
GenerationConfig read_generation_config(const fs::path& folder);

}  // namespace gptq::generate
