// Byte-level vocabularies given as byte strings with ranks: tiktoken files and tekken.json.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/components/model_tables.h"

namespace gptq::tokenizer {

struct RankedToken {
  std::string bytes;
  int64_t rank = 0;
};

// The bytes in the byte alphabet, as vocabularies spell them.
std::string spelled(std::string_view bytes);

// Adds the vocabulary (id = rank + offset, in the byte alphabet) and the merges: every way to make a token, in the
// order of the token's rank, then of the ranks of its parts. Throws Error(kVerification) naming `what`.
void add_byte_pairs(const std::vector<RankedToken>& tokens, int64_t offset, const std::string& what,
                    ModelTables& tables);

// The common part of both: split by the pattern, convert to the byte alphabet, BPE with whole words first.
Json byte_pair_document(const std::string& pattern);

}  // namespace gptq::tokenizer
