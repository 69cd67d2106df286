// WordLevel: each word is one token, or unknown.
#pragma once

#include "tokenizer/components/subword_model.h"

namespace gptq::tokenizer {

class WordLevel : public SubwordModel {
 public:
  WordLevel(const JsonReader& reader, const ModelTables& tables);

  const char* type() const override { return "WordLevel"; }
  const Vocabulary& vocabulary() const override { return vocabulary_; }
  void encode(const std::vector<std::string_view>& words, std::vector<TokenId>& ids) const override;
  void encode_with_offsets(std::string_view word, const Sink& sink) const override;

 private:
  TokenId id_of(std::string_view word) const;

  Vocabulary vocabulary_;
  std::string unknown_name_;
  TokenId unknown_;
};

}  // namespace gptq::tokenizer
