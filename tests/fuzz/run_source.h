// What every carrier's fuzz target does with a tokenizer that could be read.
#pragma once

#include <string>
#include <vector>

#include "core/check.h"
#include "tokenizer/formats/tokenizer_source.h"
#include "tokenizer/pipeline.h"
#include "unicode/characters.h"

namespace gptq::tokenizer {

// Encodes and decodes; ids are in range, and text is valid.
inline void run_source(const TokenizerSource& source, const TokenizerConfig& config) {
  const Pipeline tokenizer(*source.json, source.tables, source.what, config);
  for (const char* input : {"Hello  wörld 12\n<s>", " ab\xE2\x96\x81\xE2\x96\x81the[INST]\t", "日本 aaaaaaaa"}) {
    unicode::MarkedText text;
    text.append(to_valid_utf8(input), '\0');
    std::vector<TokenId> ids = tokenizer.encode(text, false);
    tokenizer.post_processor().apply(ids, true);
    for (const TokenId id : ids) CHECK(id >= 0 && id < tokenizer.vocab_size());
    CHECK(is_valid_utf8(tokenizer.decode(ids.data(), ids.size(), false)));
    CHECK(is_valid_utf8(tokenizer.decode(ids.data(), ids.size(), true)));
  }
}

}  // namespace gptq::tokenizer
