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
  std::string name;    // of the source: "built-in" or the file's name
  std::string sha256;  // of the tokens as little-endian int32
  std::vector<std::string> notes;
};

// Documents are encoded with the tokenizer's own special tokens, joined, and cut into windows without padding;
// `samples` of them are drawn by `seed`, each at most once. Sources: plain text (one document), JSON lines with
// "text" or with "messages" (rendered by the model's chat template), each also gzipped; the built-in text when
// options.calibration is empty.
// Throws Error(kNotFound | kVerification) naming file and line, Error(kUsage) when there is less than one window.
Calibration load_calibration(const QuantizeOptions& options, const Tokenizer& tokenizer, int64_t context_length);

}  // namespace gptq
