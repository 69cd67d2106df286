// Token ids with their spellings, for people and as JSON.
#pragma once

#include <string>
#include <vector>

#include <gptq/tokenizer.h>

#include "output.h"

namespace gptq::cli {

// "id<TAB>token" on one line, without the newline.
void append_token(std::string& text, const Tokenizer& tokenizer, TokenId id);
// Such lines.
std::string tokens_text(const Tokenizer& tokenizer, const std::vector<TokenId>& ids);
// {"ids": [...], "tokens": [...]}.
Json tokens_json(const Tokenizer& tokenizer, const std::vector<TokenId>& ids);

}  // namespace gptq::cli
