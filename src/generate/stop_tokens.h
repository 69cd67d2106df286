// The tokens that end an answer.
#pragma once

#include <set>
#include <vector>

#include <gptq/tokenizer.h>

namespace gptq::generate {

// The union of the tokens listed in config.json and generation_config.json, the tokenizer's eos_token, and the known
// end-of-turn tokens of chat models that are special tokens of this tokenizer: many fine-tuned models end their turns
// with a token that none of their files lists. Source of the names: the end-of-generation tokens of llama.cpp.
std::set<TokenId> stop_tokens(const std::vector<int>& config, const std::vector<int>& generation_config,
                              const Tokenizer& tokenizer);

}  // namespace gptq::generate
