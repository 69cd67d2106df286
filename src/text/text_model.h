// The "model" of tokenizer.json: what turns one word into token ids.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "text/model_tables.h"
#include "text/vocabulary.h"

namespace gptq {

// Immutable to its users; safe to share between threads.
class TextModel {
 public:
  virtual ~TextModel() = default;
  virtual const Vocabulary& vocabulary() const = 0;

  // Appends the ids of every word, in order.
  virtual void encode(const std::vector<std::string_view>& words, std::vector<TokenId>& ids) const = 0;
};

// `json` is the component and `tables` its vocabulary and merges. Throws Error(kVerification) naming `what` for a
// broken model and for a type that is not supported. Old files have no "type": an object with "merges" is then BPE.
std::unique_ptr<TextModel> make_text_model(const Json& json, const ModelTables& tables, const std::string& what);

}  // namespace gptq
