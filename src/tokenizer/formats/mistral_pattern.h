// Many copies of Mistral's tekken tokenizers carry the word pattern of Llama-3: other tokens than the model
// was trained on.
#pragma once

#include "tokenizer/formats/tokenizer_config.h"
#include "tokenizer/formats/tokenizer_source.h"

namespace gptq::tokenizer {

// Puts tekken's own pattern in its place, with a warning, where all of this holds: the folder is a Mistral model's and
// was written by a transformers before 5, the vocabulary has more than 100,000 tokens, and the pre-tokenizer is a
// sequence that begins with the Split at Llama-3's pattern. "fix_mistral_regex": false in tokenizer_config.json keeps
// the pattern, true replaces it without a warning. Source: `fix_mistral_regex` of transformers 5, which only warns.
void repair_mistral_pattern(TokenizerSource& source, const TokenizerConfig& config);

}  // namespace gptq::tokenizer
