// The "normalizer" of tokenizer.json: rewrites text before it is split into words.
#pragma once

#include <memory>
#include <string>

#include "core/json_fwd.h"
#include "tokenizer/components/aligned_text.h"
#include "tokenizer/components/text_budget.h"

namespace gptq::tokenizer {

// Immutable and thread-safe. Input is valid UTF-8, output too; marks and origins are preserved.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  void apply(AlignedText& text, TextBudget& budget) const {
    budget.enter(place);
    rewrite(text, budget);
  }

  std::string place;  // path in tokenizer.json, for errors; "" for a part without a path of its own

 protected:
  virtual void rewrite(AlignedText& text, TextBudget& budget) const = 0;
};

// `json` is the component, or null for none (a normalizer that changes nothing). `what` names it in errors. Throws
// Error(kVerification) for a malformed component and for an unsupported type.
std::unique_ptr<Normalizer> make_normalizer(const Json& json, const std::string& what);

}  // namespace gptq::tokenizer
