// All splits of tokens into two other tokens, from which merges are rebuilt when a file lists tokens only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gptq::tokenizer {

struct Split {
  uint32_t token;  // index of the token, of its left and of its right part
  uint32_t left;
  uint32_t right;
};

// Every split of every token into two tokens, in the order of the tokens. `by_characters`: only between characters,
// else between any bytes. Throws Error(kVerification) naming `what` for tokens that are too long and for more splits
// than a real vocabulary has.
std::vector<Split> all_splits(const std::vector<std::string>& tokens, bool by_characters, const std::string& what);

}  // namespace gptq::tokenizer
