// The "post_processor" of tokenizer.json: adds control tokens around the ids of a text.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <gptq/tokenizer.h>

#include "core/json_fwd.h"

namespace gptq::tokenizer {

// Characters [begin, end) of the input, and the number of white-space characters at both ends of the token's spelling.
struct TokenOffset {
  size_t begin = 0;
  size_t end = 0;
  size_t leading = 0;
  size_t trailing = 0;
};

// Immutable and thread-safe.
class PostProcessor {
 public:
  // Excludes white space at the ends of tokens from their offsets.
  struct Trim {
    bool add_prefix_space = false;  // one space before the first token is the one that was added
    bool first = false;             // the first token of the text is the first of all tokens
  };
  struct Part {
    bool text = false;  // the ids of the text, with trimmed offsets,
    std::vector<Trim> trims;
    std::vector<TokenId> ids;  // or these control tokens, with the offsets 0 to 0
  };
  using Parts = std::vector<Part>;

  // Only the text.
  PostProcessor();
  // [before...] text [after...]: for add_bos_token and add_eos_token of tokenizer_config.json.
  PostProcessor(std::vector<TokenId> before, std::vector<TokenId> after);
  PostProcessor(Parts with_special_tokens, Parts without);

  // The parts of the result, in order.
  const Parts& parts(bool add_special_tokens) const { return parts_[add_special_tokens ? 1 : 0]; }
  void apply(std::vector<TokenId>& ids, bool add_special_tokens) const;

  // The trimmed offsets of a token of the text; `index` counts the tokens of the text.
  static TokenOffset trimmed(TokenOffset place, size_t index, const std::vector<Trim>& trims);

 private:
  std::array<Parts, 2> parts_;  // without and with special tokens
};

// `json` is the component, or null for none. Throws Error(kVerification) naming `what` for a malformed component, for
// an unsupported type, and for one that repeats the text more than 16 times or adds more than 65,536 tokens.
PostProcessor make_post_processor(const Json& json, const std::string& what);

}  // namespace gptq::tokenizer
