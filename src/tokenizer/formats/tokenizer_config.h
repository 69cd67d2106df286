// Settings of a tokenizer: control tokens, BOS and EOS, and options of converted components.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/json_fwd.h"
#include "tokenizer/components/added_tokens.h"

namespace gptq::tokenizer {

struct TokenizerConfig {
  std::map<int64_t, AddedToken> added_tokens;       // added_tokens_decoder
  std::vector<AddedToken> control_tokens;           // added_tokens.json, then bos_token, ..., extra_special_tokens
  std::vector<AddedToken> more_tokens;              // of the caller of Tokenizer::open
  std::map<std::string, std::string> named_tokens;  // "bos_token" -> "<s>"; null and absent ones are omitted
  std::optional<bool> add_bos_token;                // absent: the tokenizer file decides
  std::optional<bool> add_eos_token;
  int second_type_id = 1;  // of the second text of a pair, where these two frame it

  std::string tokenizer_class;  // without the suffix "Fast"; "" when unknown
  // of converted SentencePiece models: every segment of text gets a leading space
  std::optional<bool> legacy;
  std::optional<bool> add_prefix_space;   // of converted models
  std::optional<bool> fix_mistral_regex;  // false keeps a pattern that is known to be wrong
  std::string pattern;                    // word pattern of a tiktoken file; "" when unknown
  int64_t extra_ids = 100;                // sentinels of T5
  bool lowercase = true;                  // of vocab.txt: do_lower_case, tokenize_chinese_chars, strip_accents
  bool split_chinese = true;
  std::optional<bool> strip_accents;

  std::string model_type;            // of config.json
  std::string transformers_version;  // of config.json: the version that wrote the folder

  std::string named(const std::string& name) const;  // "" when there is none

  // Sets "bos_token", ... to this content unless it has one.
  void name_token(const std::string& name, const std::string& content);
};

// From tokenizer_config.json. Throws Error(kVerification) naming `what` when a field has the wrong type.
TokenizerConfig read_tokenizer_config(const Json& json, const std::string& what);

// Reads tokenizer_config.json of the folder; without added_tokens_decoder in it (transformers 4 and older) also
// special_tokens_map.json and added_tokens.json; and config.json. All of them are optional.
TokenizerConfig read_tokenizer_config(const fs::path& folder);

}  // namespace gptq::tokenizer
