// The "decoder" of tokenizer.json: a list of token strings turned back into text.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/json_fwd.h"
#include "tokenizer/components/text_budget.h"

namespace gptq::tokenizer {

// Immutable; safe to share between threads.
class TokenDecoder {
 public:
  virtual ~TokenDecoder() = default;

  // Rewrites the list; the text is all of it joined.
  void apply(std::vector<std::string>& tokens, TextBudget& budget) const {
    budget.enter(place);
    rewrite(tokens, budget);
  }

  // True when tokens like <0xE2> become bytes: what they mean is then open until the run of such tokens ends.
  virtual bool has_byte_runs() const { return false; }

  std::string place;  // in tokenizer.json, for errors

 protected:
  virtual void rewrite(std::vector<std::string>& tokens, TextBudget& budget) const = 0;
};

// The byte that a token like <0x0A> stands for, or -1.
int byte_of_token(const std::string& token);

// `json` is the component, or null for none (tokens are then joined with spaces). Throws Error(kVerification)
// naming `what` for a broken component and for a type that is not supported.
std::unique_ptr<TokenDecoder> make_token_decoder(const Json& json, const std::string& what);

}  // namespace gptq::tokenizer
