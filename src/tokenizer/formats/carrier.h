// The carriers of a tokenizer: files that are read as the tokenizer.json that they would be converted to.
#pragma once

#include <string>
#include <string_view>

#include "core/file.h"
#include "core/json.h"
#include "tokenizer/components/model_tables.h"
#include "tokenizer/formats/tokenizer_config.h"

namespace gptq::tokenizer {

// What tokenizer.json holds: the components as JSON, and the two large tables beside it.
struct Carrier {
  std::string what;  // the file, for errors
  Json json;
  ModelTables tables;
};

// The first carrier that the folder has: tokenizer.json, tekken.json, tokenizer.model, a tiktoken file, vocab.json with
// merges.txt, vocab.txt. Reads the settings that shape the components from `config`, and completes it with what the
// carrier knows and tokenizer_config.json does not say: names of control tokens, whether BOS is added.
// Throws Error(kNotFound) listing the names when there is none, Error(kVerification) for a broken one.
Carrier open_carrier(const fs::path& folder, TokenizerConfig& config);

// Each of them from the bytes of its file.
Carrier read_tokenizer_json(std::string_view text, const std::string& what, TokenizerConfig& config);
Carrier read_tekken(std::string_view text, const std::string& what, TokenizerConfig& config);
Carrier read_sentencepiece(std::string_view bytes, const std::string& what, TokenizerConfig& config);
Carrier read_tiktoken(std::string_view text, const std::string& what, TokenizerConfig& config);
Carrier read_vocab_and_merges(std::string_view vocab, std::string_view merges, const std::string& what,
                              TokenizerConfig& config);
Carrier read_bert_vocab(std::string_view text, const std::string& what, TokenizerConfig& config);

// Does the text look like a tiktoken file? Some are called tokenizer.model.
bool is_tiktoken(std::string_view text);

}  // namespace gptq::tokenizer
