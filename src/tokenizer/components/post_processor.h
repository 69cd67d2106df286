// The "post_processor" of tokenizer.json: adds control tokens around the ids of a text, or of a pair of texts.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
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
    int sequence = -1;  // the ids of the text 0 or 1, with trimmed offsets, or -1:
    std::vector<Trim> trims;
    std::vector<TokenId> ids;  // these control tokens, with the offsets 0 to 0
    int type_id = 0;           // of all tokens of the part

    bool text() const { return sequence >= 0; }
  };
  using Parts = std::vector<Part>;

  // Only the text.
  PostProcessor();
  // [before...] text [after...], and the same around the second text of a pair, whose tokens have this type id: for
  // add_bos_token and add_eos_token of tokenizer_config.json.
  PostProcessor(std::vector<TokenId> before, std::vector<TokenId> after, int second_type_id = 1);

  // Parts of the result for one text and for a pair of texts, each without and with special tokens. An empty list for
  // pairs: they are not defined.
  struct Lists {
    std::array<Parts, 2> single;
    std::array<Parts, 2> pair;
  };
  explicit PostProcessor(Lists lists) : lists_(std::move(lists)) {}

  // The parts of the result, in order.
  const Parts& parts(bool add_special_tokens, bool pair = false) const {
    return (pair ? lists_.pair : lists_.single)[add_special_tokens ? 1 : 0];
  }
  // The number of control tokens among them.
  size_t added(bool add_special_tokens, bool pair) const;
  void apply(std::vector<TokenId>& ids, bool add_special_tokens) const;

  // The trimmed offsets of a token of the text; `index` counts the tokens of the text.
  static TokenOffset trimmed(TokenOffset place, size_t index, const std::vector<Trim>& trims);

 private:
  Lists lists_;
};

// `json` is the component, or null for none. Throws Error(kVerification) naming `what` for a malformed component, for
// an unsupported type, and for one that repeats the text more than 16 times or adds more than 65,536 tokens.
PostProcessor make_post_processor(const Json& json, const std::string& what);

}  // namespace gptq::tokenizer
