// Reading calibration text and drawing windows from it.
#include "quantize/calibration.h"

#include <algorithm>
#include <numeric>
#include <random>

#include <gptq/corpus.h>
#include <gptq/error.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/unpack.h"

extern "C" {
extern const char gptq_default_calibration_begin[];
extern const char gptq_default_calibration_end[];
}

namespace gptq {

namespace {

constexpr int64_t kFewTokens = 1 << 15;  // below this the Hessians of real models are poor

Corpus read_text(const QuantizeOptions& options, const Tokenizer& tokenizer) {
  if (!options.calibration.empty()) return read_corpus(options.calibration, options.model, tokenizer);
  const std::string_view packed(gptq_default_calibration_begin,
                                static_cast<size_t>(gptq_default_calibration_end - gptq_default_calibration_begin));
  return {tokenizer.encode(unpack_gzip(packed, "the built-in calibration text")), {}};
}

std::string source_name(const QuantizeOptions& options) {
  if (options.calibration.empty()) return "built-in";
  std::string name;
  for (fs::path path : options.calibration) {
    if (path.filename().empty()) path = path.parent_path();
    name += (name.empty() ? "" : ", ") + path.filename().string();
  }
  return name;
}

}  // namespace

Calibration load_calibration(const QuantizeOptions& options, const Tokenizer& tokenizer, int64_t context_length) {
  Calibration c;
  c.name = source_name(options);
  c.seqlen = options.seqlen;
  if (c.seqlen > context_length) {
    c.seqlen = context_length;
    c.notes.push_back("seqlen " + std::to_string(options.seqlen) + " shortened to the model's context of " +
                      std::to_string(context_length));
  }
  Corpus corpus = read_text(options, tokenizer);
  const std::vector<TokenId>& tokens = corpus.tokens;
  c.notes.insert(c.notes.end(), corpus.notes.begin(), corpus.notes.end());
  const auto total = static_cast<int64_t>(tokens.size());
  if (total == 0) {
    throw Error(ErrorKind::kUsage, "reading calibration text from " + c.name + ": found no text; give some");
  }
  if (total < c.seqlen) {
    c.notes.push_back("the calibration text has " + std::to_string(total) + " tokens: one window of that length, not " +
                      std::to_string(c.seqlen));
    c.seqlen = total;
  }
  const int64_t windows = total / c.seqlen;
  c.samples = std::min<int64_t>(options.samples, windows);
  if (windows < options.samples && windows > 1) {
    c.notes.push_back("calibration has " + std::to_string(windows) + " windows of " + std::to_string(c.seqlen) +
                      " tokens, fewer than the " + std::to_string(options.samples) + " asked for; all are used");
  }
  if (c.samples * c.seqlen < kFewTokens) {
    warn("only " + std::to_string(c.samples * c.seqlen) + " calibration tokens: fewer than " +
         std::to_string(kFewTokens) + " usually cost quality; give more text or raise --samples");
  }
  // Fisher-Yates by hand: the standard leaves the order of std::shuffle to the library, and files must not
  // depend on it.
  std::vector<int64_t> order(static_cast<size_t>(windows));
  std::iota(order.begin(), order.end(), 0);
  std::mt19937_64 random(options.seed);
  for (size_t i = 0; i < static_cast<size_t>(c.samples); ++i) {
    std::swap(order[i], order[i + random() % (order.size() - i)]);
  }
  order.resize(static_cast<size_t>(c.samples));
  std::sort(order.begin(), order.end());
  for (int64_t window : order) {
    const auto begin = tokens.begin() + window * c.seqlen;
    c.tokens.insert(c.tokens.end(), begin, begin + c.seqlen);
  }
  static_assert(sizeof(TokenId) == 4);
  c.sha256 = sha256_hex(std::as_bytes(std::span(c.tokens)));
  return c;
}

}  // namespace gptq
