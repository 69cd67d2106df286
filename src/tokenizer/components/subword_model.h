// The "model" of tokenizer.json: what turns one word into token ids.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "core/json_fwd.h"
#include "tokenizer/components/model_tables.h"
#include "tokenizer/components/vocabulary.h"

namespace gptq::tokenizer {

// A token and the bytes of the word that it stands for, counted as the reference counts them: where characters were
// dropped or a prefix was added, later tokens are displaced, and the end may lie behind the word's.
struct TokenSpan {
  TokenId id;
  size_t begin;
  size_t end;
  bool verbatim = false;  // spelled as the word spells it, not as the vocabulary does
};

// Immutable to its users; safe to share between threads.
class SubwordModel {
 public:
  virtual ~SubwordModel() = default;
  virtual const Vocabulary& vocabulary() const = 0;

  // Appends the ids of every word, in order.
  virtual void encode(const std::vector<std::string_view>& words, std::vector<TokenId>& ids) const = 0;

  // The same ids for one word, one after the other, with where they come from. Slower.
  using Sink = std::function<void(const TokenSpan& token)>;
  virtual void encode_with_offsets(std::string_view word, const Sink& sink) const = 0;
};

// `json` is the component and `tables` what was tapped from it. Throws Error(kVerification) naming `what` for a
// broken model and for a type that is not supported. Old files have no "type": the first of BPE, WordPiece,
// WordLevel and Unigram whose keys are there is meant.
std::unique_ptr<SubwordModel> make_subword_model(const Json& json, const ModelTables& tables, const std::string& what);

}  // namespace gptq::tokenizer
