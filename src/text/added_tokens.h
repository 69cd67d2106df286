// Added tokens: strings that are found in the text before anything else happens to it, such as control tokens.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/json.h"
#include "text/marked_text.h"
#include "text/normalizer.h"
#include "text/piece_trie.h"
#include "text/vocabulary.h"

namespace gptq {

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
};

// A part of a text: an added token, or text without any.
struct Piece {
  TokenId id = -1;
  MarkedText text;        // when id is -1
  bool at_start = false;  // the piece begins where the whole input begins
};

// Filled by add() and then closed by prepare(); from there on immutable and safe to share between threads.
class AddedTokens {
 public:
  // Gives the token its id: the one it has in the vocabulary, else the next free one. A token added again keeps
  // its id and takes the new flags.
  void add(const AddedToken& token, const Vocabulary& vocabulary);
  void prepare(const Normalizer& normalizer);

  // Cuts the text at the tokens that are looked for before (`normalized` false) or after normalization.
  // With `protect`, control tokens that touch marked bytes are left in the text.
  std::vector<Piece> cut(const Piece& piece, bool normalized, bool protect) const;

  const std::string* token(TokenId id) const;  // nullptr when there is none
  TokenId find(std::string_view content) const;
  bool contains(std::string_view content) const { return find(content) >= 0; }
  bool is_special(std::string_view content) const { return specials_.count(std::string(content)) > 0; }
  TokenId id_end() const { return highest_ + 1; }

 private:
  struct Entry {
    TokenId id;
    AddedToken token;
  };
  std::vector<Entry> entries_;
  std::unordered_map<std::string, size_t> by_content_;
  std::unordered_map<TokenId, size_t> by_id_;
  std::unordered_set<std::string> specials_;
  TokenId highest_ = -1;
  PieceTrie raw_;
  PieceTrie normalized_;
};

}  // namespace gptq
