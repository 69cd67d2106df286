// Calibration text → windows of tokens.
#pragma once

#include <string>
#include <vector>

#include <gptq/quantize.h>
#include <gptq/tokenizer.h>

namespace gptq {

struct Calibration {
  std::vector<TokenId> tokens;  // [samples · seqlen], windows one after the other
  int64_t samples = 0, seqlen = 0;
  std::string name;    // of the source: "built-in" or the names of the files
  std::string sha256;  // of the tokens as little-endian int32
  std::vector<std::string> notes;
};

// The documents of read_corpus(), joined and cut into windows without padding; `samples` of them are drawn by `seed`,
// each at most once. A text that is shorter than a window is one shorter window. The built-in text when
// options.calibration is empty. Throws what read_corpus() throws, and Error(kUsage) when there is no text at all.
Calibration load_calibration(const QuantizeOptions& options, const Tokenizer& tokenizer, int64_t context_length);

}  // namespace gptq
