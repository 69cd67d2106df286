// Calibration text → windows of tokens.
#pragma once

#include <string>
#include <vector>

#include <gptq/quantize.h>
#include <gptq/tokenizer.h>

namespace gptq::quantization {

// Windows one after the other, longest first.
struct Windows {
  std::vector<TokenId> tokens;
  std::vector<int64_t> lengths;  // of each window
};

struct Calibration : Windows {
  int64_t seqlen = 0;  // of the longest window
  Windows held;        // windows that do not calibrate, on which the report's errors are measured; perhaps none
  std::string name;    // of the source: "built-in" or the names of the files
  std::string sha256;  // of the tokens that calibrate, as little-endian int32
  std::vector<std::string> notes;
};

// Joins the documents of read_corpus() and cuts them into windows of options.seqlen without padding; but a row that is
// shorter than a window is a shorter window of its own, as are other texts when all of them are shorter together. A row
// of token ids is always a window of its own, also when it is longer than seqlen, up to the model's context.
// As many windows as samples · seqlen tokens have room for are drawn by `seed`, each at most once. Up to four more, of
// those not drawn or else one in 32 of the drawn ones, are held apart for measuring, when they have 128 tokens or more;
// otherwise windows of the built-in text serve for that.
// The built-in text when options.calibration is empty. Throws what read_corpus() throws, and Error(kUsage) when there is
// no text at all.
//
// `tokenizer` may be null when only_token_ids(options); then nothing is held out from few rows.
Calibration load_calibration(const QuantizeOptions& options, const Tokenizer* tokenizer, int64_t context_length);

// True when calibration consists of rows of token ids, which need no tokenizer.
bool only_token_ids(const QuantizeOptions& options);

}  // namespace gptq::quantization
