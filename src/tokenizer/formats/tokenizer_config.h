// The settings around a tokenizer: control tokens, BOS and EOS, and what shapes components that are converted.
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
  std::map<std::string, std::string> named_tokens;  // "bos_token" -> "<s>"; null and absent ones are left out
  std::optional<bool> add_bos_token;                // absent: the tokenizer file decides
  std::optional<bool> add_eos_token;

  std::string tokenizer_class;           // without its "Fast"; "" when nothing says
  std::optional<bool> legacy;            // of converted SentencePiece models: every piece of text gets a space in front
  std::optional<bool> add_prefix_space;  // of converted models
  std::optional<bool> fix_mistral_regex;  // false keeps a known-bad pattern
  std::string pattern;                    // how a tiktoken file cuts text into words; "" when nothing says
  int64_t extra_ids = 100;                // sentinels of T5
  bool lowercase = true;                  // of vocab.txt: do_lower_case, tokenize_chinese_chars, strip_accents
  bool split_chinese = true;
  std::optional<bool> strip_accents;

  std::string model_type;            // of config.json
  std::string transformers_version;  // of config.json: what wrote the folder

  std::string named(const std::string& name) const;  // "" when there is none

  // Gives "bos_token", ... a content unless it has one.
  void name_token(const std::string& name, const std::string& content);
};

// From tokenizer_config.json. Throws Error(kVerification) naming `what` when a field has the wrong type.
TokenizerConfig read_tokenizer_config(const Json& json, const std::string& what);

// From the folder's tokenizer_config.json; where that lacks added_tokens_decoder, as transformers 4 and older wrote it,
// also from special_tokens_map.json and added_tokens.json; and from config.json. All of them may be missing.
TokenizerConfig read_tokenizer_config(const fs::path& folder);

}  // namespace gptq::tokenizer
