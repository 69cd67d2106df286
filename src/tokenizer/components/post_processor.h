// The "post_processor" of tokenizer.json: control tokens put around the ids of a text.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <gptq/tokenizer.h>

#include "core/json_fwd.h"

namespace gptq::tokenizer {

// Characters [begin, end) of the input, and how many white-space characters the token's spelling has at its ends.
struct TokenOffset {
  size_t begin = 0;
  size_t end = 0;
  size_t leading = 0;
  size_t trailing = 0;
};

// Immutable; safe to share between threads.
class PostProcessor {
 public:
  // What leaves white space at the ends of tokens out of their places.
  struct Trim {
    bool add_prefix_space = false;  // one space before the first token is taken for the one that was added
    bool first = false;             // the text's first token is the first of all
  };
  struct Part {
    bool text = false;  // the ids of the text, their places trimmed,
    std::vector<Trim> trims;
    std::vector<TokenId> ids;  // or these control tokens, which stand for 0 to 0
  };
  using Parts = std::vector<Part>;

  // The text alone.
  PostProcessor();
  // [before...] text [after...]: what add_bos_token and add_eos_token of tokenizer_config.json ask for.
  PostProcessor(std::vector<TokenId> before, std::vector<TokenId> after);
  PostProcessor(Parts with_special_tokens, Parts without);

  // What the result is made of, in order.
  const Parts& parts(bool add_special_tokens) const { return parts_[add_special_tokens ? 1 : 0]; }
  void apply(std::vector<TokenId>& ids, bool add_special_tokens) const;

  // The place of a text's token; `index` counts the text's tokens.
  static TokenOffset trimmed(TokenOffset place, size_t index, const std::vector<Trim>& trims);

 private:
  std::array<Parts, 2> parts_;  // without and with special tokens
};

// `json` is the component, or null for none. Throws Error(kVerification) naming `what` for a broken component, for a type
// that is not supported, and for one that repeats the text more than 16 times or adds more than 65,536 tokens.
PostProcessor make_post_processor(const Json& json, const std::string& what);

}  // namespace gptq::tokenizer
