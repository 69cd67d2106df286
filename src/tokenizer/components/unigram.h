// Unigram: the segmentation of a word into pieces with the highest total score.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "tokenizer/components/byte_tokens.h"
#include "tokenizer/components/piece_trie.h"
#include "tokenizer/components/subword_model.h"
#include "tokenizer/components/word_cache.h"

namespace gptq::tokenizer {

// Source: the reference's Viterbi search, including its ties (the first piece found is kept), its double precision and
// the fusing of adjacent unknown pieces, which are then looked up as a whole.
class Unigram : public SubwordModel {
 public:
  Unigram(const JsonReader& reader, const ModelTables& tables);

  const char* type() const override { return "Unigram"; }
  const Vocabulary& vocabulary() const override { return vocabulary_; }
  void encode(const std::vector<std::string_view>& words, std::vector<TokenId>& ids) const override;
  void encode_with_offsets(std::string_view word, const Sink& sink) const override;

 private:
  static constexpr uint32_t kUnreached = UINT32_MAX;
  // The piece that ends here (after reversal: begins), and its other end.
  struct Step {
    uint32_t other_end = kUnreached;
    TokenId id = 0;
  };
  std::vector<Step> best_ways(std::string_view word) const;

  Vocabulary vocabulary_;
  std::vector<double> scores_;  // by id
  PieceTrie trie_;
  ByteTokens bytes_;
  TokenId unknown_ = -1;
  double unknown_score_ = 0;  // ten below the lowest score
  bool byte_fallback_;
  mutable WordCachePool caches_;
};

}  // namespace gptq::tokenizer
