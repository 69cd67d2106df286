// Token ids with their spellings, for people and as JSON.
#pragma once

#include <string>
#include <vector>

#include <gptq/tokenizer.h>

#include "output.h"

namespace gptq::cli {

std::string tokens_text(const Tokenizer& tokenizer, const std::vector<TokenId>& ids);  // "id<TAB>token" lines
Json tokens_json(const Tokenizer& tokenizer,
                 const std::vector<TokenId>& ids);  // {"ids": [...], "tokens": [...]}

}  // namespace gptq::cli
