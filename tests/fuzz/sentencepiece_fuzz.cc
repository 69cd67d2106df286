// Any bytes as a SentencePiece model: reading, converting, encoding and decoding must end in a result or an Error.
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

#include <gptq/error.h>

#include "tests/fuzz/run_source.h"

// The first byte chooses how the model is read, the others are the file.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace gptq;
  using namespace gptq::tokenizer;
  static constexpr const char* kClasses[] = {"LlamaTokenizer", "GemmaTokenizer", "T5Tokenizer", "OtherTokenizer"};
  if (size == 0) return 0;
  TokenizerConfig config;
  config.tokenizer_class = kClasses[data[0] % std::size(kClasses)];
  if (data[0] & 4) config.legacy = false;
  if (data[0] & 8) config.add_prefix_space = false;
  config.extra_ids = 3;
  try {
    const std::string_view file(reinterpret_cast<const char*>(data + 1), size - 1);
    const TokenizerSource source = read_sentencepiece(file, "input", config);
    run_source(source, config);
  } catch (const Error&) {
  }
  return 0;
}
