// What tokenizer_config.json says about tokens: further added tokens, named control tokens, BOS and EOS.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "text/added_tokens.h"

namespace gptq {

struct TokenizerConfig {
  std::vector<AddedToken> added_tokens;             // added_tokens_decoder, in the order of the ids
  std::vector<AddedToken> control_tokens;           // bos_token, eos_token, ..., additional_special_tokens
  std::map<std::string, std::string> named_tokens;  // "bos_token" -> "<s>"; null and absent ones are left out
  std::optional<bool> add_bos_token;                // absent: the post-processor of tokenizer.json decides
  std::optional<bool> add_eos_token;

  std::string named(const std::string& name) const;  // "" when there is none
};

// Throws Error(kVerification) naming `what` when a field has the wrong type.
TokenizerConfig read_tokenizer_config(const Json& json, const std::string& what);

}  // namespace gptq
