// Any bytes as tekken.json, as a tiktoken file, and as vocab.json with merges.txt.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <gptq/error.h>

#include "tests/fuzz/run_source.h"

// The first byte chooses the format; a zero byte stands between the two files of the last one.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace gptq;
  using namespace gptq::tokenizer;
  if (size == 0) return 0;
  const std::string_view file(reinterpret_cast<const char*>(data + 1), size - 1);
  TokenizerConfig config;
  try {
    switch (data[0] % 4) {
      case 0: return run_source(read_tekken(file, "input", config), config), 0;
      case 1: return run_source(read_tiktoken(file, "input", config), config), 0;
      case 2: config.tokenizer_class = "Qwen2Tokenizer"; [[fallthrough]];
      default:
        const size_t cut = std::min(file.find('\0'), file.size());
        const std::string_view merges = cut < file.size() ? file.substr(cut + 1) : "";
        run_source(read_vocab_and_merges(file.substr(0, cut), merges, "input", config), config);
    }
  } catch (const Error&) {
  }
  return 0;
}
