// Validation of sampling settings.
#include "generate/sampler.h"

#include <string>

#include <gptq/error.h>

namespace gptq::generate {

Sampler::Sampler(const Sampling& sampling) : sampling_(sampling), random_(sampling.seed) {
  const auto require = [](bool fine, const std::string& what) {
    if (!fine) throw Error(ErrorKind::kUsage, "setting up sampling: " + what);
  };
  require(sampling.temperature >= 0, "temperature must be 0 (greedy) or more");
  require(sampling.top_k >= 0, "top_k must be 0 (all tokens) or more");
  require(sampling.top_p > 0 && sampling.top_p <= 1, "top_p must be above 0 and at most 1");
  require(sampling.min_p >= 0 && sampling.min_p <= 1, "min_p must be between 0 and 1");
  require(sampling.repetition_penalty > 0, "repetition_penalty must be above 0 (1 = none)");
}

}  // namespace gptq::generate
