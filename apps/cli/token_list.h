// Token ids with their spellings, for people and as JSON.
#pragma once

#include <string>

#include <gptq/tokenizer.h>

#include "output.h"

namespace gptq::cli {

// Lines of "id<TAB>token", and "<TAB>begin-end" where there are offsets.
std::string tokens_text(const Tokenizer& tokenizer, const Encoding& encoding);
// {"ids": [...], "tokens": [...]}, and "offsets": [[begin, end], ...] where there are some.
Json tokens_json(const Tokenizer& tokenizer, const Encoding& encoding);

}  // namespace gptq::cli
