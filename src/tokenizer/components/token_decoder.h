// The "decoder" of tokenizer.json: turns a list of token strings into text.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/json_fwd.h"
#include "tokenizer/components/text_budget.h"

namespace gptq::tokenizer {

// Immutable and thread-safe.
class TokenDecoder {
 public:
  virtual ~TokenDecoder() = default;

  // Rewrites the list; the text is its concatenation.
  void apply(std::vector<std::string>& tokens, TextBudget& budget) const {
    budget.enter(place);
    rewrite(tokens, budget);
  }

  // True when tokens like <0xE2> become bytes: their text is not final before the run of such tokens ends.
  virtual bool has_byte_runs() const { return false; }

  std::string place;  // in tokenizer.json, for errors

 protected:
  virtual void rewrite(std::vector<std::string>& tokens, TextBudget& budget) const = 0;
};

// The byte of a token like <0x0A>; -1 for any other token.
int byte_of_token(const std::string& token);

// `json` is the component, or null for none (tokens are then joined with spaces). Throws Error(kVerification) naming
// `what` for a malformed component and for an unsupported type.
std::unique_ptr<TokenDecoder> make_token_decoder(const Json& json, const std::string& what);

}  // namespace gptq::tokenizer
