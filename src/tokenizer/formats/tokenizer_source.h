// Files that hold a tokenizer. Each is converted to what its tokenizer.json would contain.
#pragma once

#include <string>
#include <string_view>

#include "core/file.h"
#include "core/json_fwd.h"
#include "tokenizer/components/model_tables.h"
#include "tokenizer/formats/tokenizer_config.h"

namespace gptq::tokenizer {

// The contents of a tokenizer.json: the components as JSON, and the two large tables.
struct TokenizerSource {
  std::string what;  // the file, for errors
  JsonBox<Json> json;
  ModelTables tables;
};

// Opens the first of these files that the folder has: tokenizer.json, tekken.json, tokenizer.model, a tiktoken file,
// vocab.json with merges.txt, encoder.json with vocab.bpe, vocab.txt. Reads the options of converted components from
// `config`, and adds to it what the file specifies and tokenizer_config.json does not: names of control tokens, whether
// BOS is added. Throws Error(kNotFound) listing the names when there is none, Error(kVerification) for a malformed one.
TokenizerSource open_source(const fs::path& folder, TokenizerConfig& config);

// Each format from the bytes of its file.
TokenizerSource read_tokenizer_json(std::string_view text, const std::string& what, TokenizerConfig& config);
TokenizerSource read_tekken(std::string_view text, const std::string& what, TokenizerConfig& config);
TokenizerSource read_sentencepiece(std::string_view bytes, const std::string& what, TokenizerConfig& config);
TokenizerSource read_tiktoken(std::string_view text, const std::string& what, TokenizerConfig& config);
TokenizerSource read_vocab_and_merges(std::string_view vocab, std::string_view merges, const std::string& what,
                                      TokenizerConfig& config);
TokenizerSource read_bert_vocab(std::string_view text, const std::string& what, TokenizerConfig& config);

// True for text that looks like a tiktoken file; some are named tokenizer.model.
bool is_tiktoken(std::string_view text);

}  // namespace gptq::tokenizer
