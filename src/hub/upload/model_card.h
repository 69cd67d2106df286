// README.md of a quantized model: metadata for the Hub, what was done, how to run it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/file.h"
#include "hub/upload/quantization_record.h"

namespace gptq::hub {

// Perplexities of one text, before and after.
struct Perplexities {
  std::string text;
  int64_t window = 0;
  double before = 0, after = 0;
};

// Reads two files that `gptq perplexity --json` wrote. Throws Error(kUsage) unless both measured the same text in
// the same way.
Perplexities read_perplexities(const fs::path& before, const fs::path& after);

struct CardFacts {
  std::string id;        // repository of the card
  std::string endpoint;  // of the Hub, for links
  int64_t weight_bytes = 0;
  QuantizationRecord record;
  std::optional<Perplexities> perplexities;
};

std::string model_card(const CardFacts& facts);

}  // namespace gptq::hub
