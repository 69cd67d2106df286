// Added tokens: strings that are found in the text before anything else happens to it, such as control tokens.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/json_fwd.h"
#include "tokenizer/components/aligned_text.h"
#include "tokenizer/components/normalizer.h"
#include "tokenizer/components/piece_trie.h"
#include "tokenizer/components/vocabulary.h"

namespace gptq::tokenizer {

struct AddedToken {
  std::string content;
  bool single_word = false;  // only where no word character stands on either side
  bool lstrip = false;       // takes the white space on its left with it
  bool rstrip = false;       // and on its right
  bool normalized = true;    // looked for after normalization, in its own normalized form
  bool special = false;      // a control token: left out when decoding, and never read from people's input

  // From {"content": ..., flags}; `normalized` is the opposite of `special` unless given.
  static AddedToken from_json(const Json& json, const std::string& what);
  static AddedToken control(std::string content);
  bool operator==(const AddedToken&) const = default;
};

// A part of a text: an added token, or text without any.
// An added token, and the bytes of the text that it was cut from.
struct FoundToken {
  TokenId id = -1;
  size_t begin = 0;
  size_t end = 0;
};

// Filled by add() and then closed by prepare(); from there on immutable and safe to share between threads.
class AddedTokens {
 public:
  // Gives every token its id: the one it has in the vocabulary, else the next free one (counted before the batch).
  // Of tokens with one id the last one's flags count, but where it is looked for (`normalized`) is what the first
  // control token with its content said, or else each of the others. Once a control token, always one.
  void add(const std::vector<AddedToken>& batch, const Vocabulary& vocabulary);
  // Throws Error(kVerification) naming `what` when all their texts together, as written and normalized, are larger
  // than 8 MiB.
  void prepare(const Normalizer& normalizer, const std::string& what);

  // Cuts the text at the tokens that are looked for before (`normalized` false) or after normalization, and hands out
  // tokens and the texts between them in order.
  // A token whose normalized form is empty is never found (the reference panics on most texts then).
  // With `protect`, control tokens that touch marked bytes are left in the text.
  using OnToken = std::function<void(const AlignedText& whole, const FoundToken& token)>;
  using OnText = std::function<void(AlignedText text)>;
  void cut(AlignedText whole, bool normalized, bool protect, const OnToken& on_token, const OnText& on_text) const;

  const std::string* token(TokenId id) const;  // nullptr when there is none
  TokenId find(std::string_view content) const;
  bool contains(std::string_view content) const { return find(content) >= 0; }
  bool is_special(std::string_view content) const { return specials_.count(std::string(content)) > 0; }
  TokenId id_end() const { return max_id_ + 1; }

 private:
  struct Pattern {
    TokenId id;
    std::string content;
    bool normalized;
  };
  const AddedToken& flags(TokenId id) const { return by_id_.at(id); }

  std::vector<Pattern> control_patterns_;   // looked for before
  std::vector<Pattern> ordinary_patterns_;  // the others with the same spelling
  std::unordered_map<std::string, TokenId> by_content_;
  std::unordered_map<TokenId, AddedToken> by_id_;
  std::unordered_set<std::string> specials_;
  TokenId max_id_ = -1;
  PieceTrie raw_;  // to ids
  PieceTrie normalized_;
};

}  // namespace gptq::tokenizer
