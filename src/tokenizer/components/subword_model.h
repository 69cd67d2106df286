// The "model" of tokenizer.json: encodes one word as token ids.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "core/json_fwd.h"
#include "tokenizer/components/model_tables.h"
#include "tokenizer/components/vocabulary.h"

namespace gptq::tokenizer {

// A token and the bytes of the word it covers, counted as in the reference implementation: where characters were
// dropped or a prefix was added, later tokens are displaced, and the end may be after the end of the word.
struct TokenSpan {
  TokenId id;
  size_t begin;
  size_t end;
  bool verbatim = false;  // spelled as in the word, not as in the vocabulary
};

// Immutable and thread-safe for callers.
class SubwordModel {
 public:
  virtual ~SubwordModel() = default;
  virtual const char* type() const = 0;  // as in the file: "BPE" ...
  virtual const Vocabulary& vocabulary() const = 0;

  // Appends the ids of every word, in order.
  virtual void encode(const std::vector<std::string_view>& words, std::vector<TokenId>& ids) const = 0;

  // The ids of one word, one by one, with their spans. Slower than encode().
  using Sink = std::function<void(const TokenSpan& token)>;
  virtual void encode_with_offsets(std::string_view word, const Sink& sink) const = 0;
};

// `json` is the component, `tables` its tapped tables. Throws Error(kVerification) naming `what` for a malformed model
// and for an unsupported type. Old files have no "type": the first of BPE, WordPiece, WordLevel and Unigram whose keys
// are present is used.
std::unique_ptr<SubwordModel> make_subword_model(const Json& json, const ModelTables& tables, const std::string& what);

}  // namespace gptq::tokenizer
