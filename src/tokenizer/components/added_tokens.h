// Added tokens: strings that are matched before the rest of the pipeline sees the text, such as control tokens.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <gptq/tokenizer.h>

#include "core/json_fwd.h"
#include "tokenizer/components/aligned_text.h"
#include "tokenizer/components/normalizer.h"
#include "tokenizer/components/piece_trie.h"
#include "tokenizer/components/vocabulary.h"

namespace gptq::tokenizer {

// From {"content": ..., flags}; `normalized` defaults to the opposite of `special`.
AddedToken parse_added_token(const Json& json, const std::string& what);
AddedToken control_token(std::string content);

// An added token and its byte range in the text.
struct FoundToken {
  TokenId id = -1;
  size_t begin = 0;
  size_t end = 0;
};

// Filled by add(), then completed by prepare(); immutable and thread-safe afterwards.
class AddedTokens {
 public:
  // Assigns every token its id: the one in the vocabulary, else the next free one (counted before the batch). Of
  // several tokens with one id the flags of the last one are used, except `normalized`: that of the first control token
  // with this content, else of each token. A control token stays one. AddedToken::id is not read or set.
  void add(const std::vector<AddedToken>& batch, const Vocabulary& vocabulary);
  // Throws Error(kVerification) naming `what` when all texts together, as written and normalized, exceed 8 MiB.
  void prepare(const Normalizer& normalizer, const std::string& what);

  // Splits the text at the tokens that are matched before (`normalized` false) or after normalization, and passes on
  // tokens and the texts between them in order. A token with an empty normalized form never matches (the reference
  // implementation panics on most texts then). With `protect`, control tokens that overlap marked bytes remain text.
  using OnToken = std::function<void(const AlignedText& whole, const FoundToken& token)>;
  using OnText = std::function<void(AlignedText text)>;
  void cut(AlignedText whole, bool normalized, bool protect, const OnToken& on_token, const OnText& on_text) const;

  const std::string* token(TokenId id) const;  // nullptr when there is none
  TokenId find(std::string_view content) const;
  bool contains(std::string_view content) const { return find(content) >= 0; }
  bool is_special(std::string_view content) const { return specials_.count(std::string(content)) > 0; }
  TokenId id_end() const { return max_id_ + 1; }
  const std::unordered_map<TokenId, AddedToken>& by_id() const { return by_id_; }

 private:
  struct Pattern {
    TokenId id;
    std::string content;
    bool normalized;
  };
  const AddedToken& flags(TokenId id) const { return by_id_.at(id); }

  std::vector<Pattern> control_patterns_;   // matched before normalization
  std::vector<Pattern> ordinary_patterns_;  // other tokens with the same spelling
  std::unordered_map<std::string, TokenId> by_content_;
  std::unordered_map<TokenId, AddedToken> by_id_;
  std::unordered_set<std::string> specials_;
  TokenId max_id_ = -1;
  PieceTrie raw_;  // to ids
  PieceTrie normalized_;
};

}  // namespace gptq::tokenizer
