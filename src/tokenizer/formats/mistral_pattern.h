// Repairs tekken tokenizers of Mistral that were converted with the word pattern of Llama-3, which produces other
// tokens than those the model was trained on.
#pragma once

#include "tokenizer/formats/tokenizer_config.h"
#include "tokenizer/formats/tokenizer_source.h"

namespace gptq::tokenizer {

// Restores tekken's own pattern, with a warning, if all of this holds: the folder belongs to a Mistral model and was
// written by a transformers before version 5, the vocabulary has more than 100,000 tokens, and the pre-tokenizer is a
// sequence that begins with a Split at Llama-3's pattern. "fix_mistral_regex": false in tokenizer_config.json keeps the
// pattern, true replaces it without a warning. Source: `fix_mistral_regex` of transformers 5, which only warns.
void repair_mistral_pattern(TokenizerSource& source, const TokenizerConfig& config);

}  // namespace gptq::tokenizer
