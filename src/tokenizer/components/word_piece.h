// WordPiece: greedy longest match from the left; tokens inside a word have a prefix such as "##".
#pragma once

#include "tokenizer/components/piece_trie.h"
#include "tokenizer/components/subword_model.h"
#include "tokenizer/components/word_cache.h"

namespace gptq::tokenizer {

class WordPiece : public SubwordModel {
 public:
  WordPiece(const JsonReader& reader, const ModelTables& tables);

  const char* type() const override { return "WordPiece"; }
  const Vocabulary& vocabulary() const override { return vocabulary_; }
  void encode(const std::vector<std::string_view>& words, std::vector<TokenId>& ids) const override;
  void encode_with_offsets(std::string_view word, const Sink& sink) const override;

 private:
  Vocabulary vocabulary_;
  PieceTrie whole_;   // every token
  PieceTrie inside_;  // tokens with the prefix, stored without it
  std::string unknown_name_;
  TokenId unknown_;
  int64_t max_word_chars_;  // in characters; a longer word is unknown
  mutable WordCachePool caches_;
};

}  // namespace gptq::tokenizer
