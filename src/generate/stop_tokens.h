// The tokens that end an answer.
#pragma once

#include <set>
#include <vector>

#include <gptq/tokenizer.h>

namespace gptq::generate {

// The union of what config.json and generation_config.json list, the tokenizer's eos_token, and the marks by which chat
// models end a turn, where they are special tokens of this tokenizer: many fine-tuned models end their turns with one
// that no file of theirs lists. Source of the names: the end-of-generation tokens of llama.cpp.
std::set<TokenId> stop_tokens(const std::vector<int>& config, const std::vector<int>& generation_config,
                              const Tokenizer& tokenizer);

}  // namespace gptq::generate
