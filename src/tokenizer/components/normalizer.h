// The "normalizer" of tokenizer.json: text rewritten before it is cut into words.
#pragma once

#include <memory>
#include <string>

#include "core/json_fwd.h"
#include "tokenizer/components/aligned_text.h"
#include "tokenizer/components/text_budget.h"

namespace gptq::tokenizer {

// Immutable; safe to share between threads. Works on valid UTF-8, keeps it valid, carries marks and origins along.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  void apply(AlignedText& text, TextBudget& budget) const {
    budget.enter(place);
    rewrite(text, budget);
  }

  std::string place;  // in tokenizer.json, for errors; empty for a part that has no place of its own

 protected:
  virtual void rewrite(AlignedText& text, TextBudget& budget) const = 0;
};

// `json` is the component, or null for none (the result then changes nothing). `what` names it in errors.
// Throws Error(kVerification) for a broken component and for a type that is not supported.
std::unique_ptr<Normalizer> make_normalizer(const Json& json, const std::string& what);

}  // namespace gptq::tokenizer
