// A byte-level BPE tokenizer of any vocabulary size, learnt from the built-in calibration text.
#pragma once

#include <cstdint>

#include "core/file.h"

namespace gptq::bench {

// Writes tokenizer.json and tokenizer_config.json with exactly `vocab_size` tokens: <unk>, <s>, </s>, 256 bytes and
// merges. Merges are learnt (Sennrich et al., arXiv 1508.07909) as long as the text has pairs; the rest of a large
// vocabulary joins tokens that never stand in one word, so that they are valid and never used.
// Throws Error(kUsage) when vocab_size has no room for the bytes.
void write_tokenizer(const fs::path& folder, int64_t vocab_size, int64_t context_length);

}  // namespace gptq::bench
