// Byte-pair encoding: a word starts as characters, and the pair with the lowest rank is merged until none is left.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "tokenizer/components/byte_tokens.h"
#include "tokenizer/components/subword_model.h"
#include "tokenizer/components/word_cache.h"

namespace gptq::tokenizer {

class Bpe : public SubwordModel {
 public:
  // From the "model" object. `dropout` is used in training only and ignored: encoding is deterministic.
  Bpe(const JsonReader& reader, const ModelTables& tables);

  const char* type() const override { return "BPE"; }
  const Vocabulary& vocabulary() const override { return vocabulary_; }
  void encode(const std::vector<std::string_view>& words, std::vector<TokenId>& ids) const override;
  void encode_with_offsets(std::string_view word, const Sink& sink) const override;

 private:
  struct Merge {
    uint32_t rank = UINT32_MAX;
    TokenId result = -1;
  };
  struct Slot {
    uint64_t pair = UINT64_MAX;
    Merge merge;
  };
  struct Symbol {
    TokenId id;     // of a removed symbol at the end of a merged one: the index of the merged symbol
    uint32_t next;  // index of the next symbol; the number of symbols at the end; kRemoved after a merge
  };
  static constexpr uint32_t kRemoved = 0;

  void read_merges(const MergesTap& merges, const JsonReader& reader);
  void add_merge(TokenId left, TokenId right, Merge merge);
  Merge find_merge(TokenId left, TokenId right) const;
  template <typename OnPart>
  void each_part(std::string_view word, const OnPart& on_part) const;
  void encode_word(std::string_view word, std::vector<TokenId>& ids) const;
  // With `sizes`, also the number of bytes of the word that each symbol covers.
  void split_into_symbols(std::string_view word, std::vector<Symbol>& symbols, std::vector<uint32_t>* sizes) const;
  void join(std::vector<Symbol>& symbols) const;

  Vocabulary vocabulary_;
  std::vector<Slot> merges_;      // open addressing; size is a power of two
  std::vector<TokenId> results_;  // by rank
  std::string prefix_;            // continuing_subword_prefix: written before every character but the first
  std::string suffix_;            // end_of_word_suffix: written after the last character
  std::string unknown_name_;      // unk_token; empty when there is none
  TokenId unknown_ = -1;
  bool fuse_unknown_;
  bool byte_fallback_;
  bool ignore_merges_;       // a word in the vocabulary is one token, regardless of the merges
  bool cut_at_space_marks_;  // no merge crosses the start of a "▁...", so words may be split there
  ByteTokens bytes_;
  std::array<TokenId, 0x250> narrow_ids_;  // of the most common characters, without a hash look-up
  mutable WordCachePool caches_;
};

}  // namespace gptq::tokenizer
