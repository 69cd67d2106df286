// The "post_processor" of tokenizer.json: control tokens put around the ids of a text.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gptq/tokenizer.h>

#include "core/json.h"

namespace gptq {

// Characters [begin, end) of the input, and how many white-space characters the token's spelling has at its ends.
struct TokenPlace {
  size_t begin = 0;
  size_t end = 0;
  size_t leading = 0;
  size_t trailing = 0;
};

// Immutable; safe to share between threads.
class PostProcessor {
 public:
  virtual ~PostProcessor() = default;
  virtual void apply(std::vector<TokenId>& ids, bool add_special_tokens) const = 0;
  // Does to places what apply() does to ids; those of tokens that it adds are 0 to 0.
  virtual void place(std::vector<TokenPlace>& places, bool add_special_tokens) const = 0;
};

// `json` is the component, or null for none. Throws Error(kVerification) naming `what` for a broken component and
// for a type that is not supported.
std::unique_ptr<PostProcessor> make_post_processor(const Json& json, const std::string& what);

// [before...] ids [after...]: what add_bos_token and add_eos_token of tokenizer_config.json ask for.
std::unique_ptr<PostProcessor> make_frame(std::vector<TokenId> before, std::vector<TokenId> after);

}  // namespace gptq
