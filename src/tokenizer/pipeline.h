// The tokenization pipeline: the components of one tokenizer.json, and the order in which they work.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gptq/tokenizer.h>

#include "tokenizer/components/added_tokens.h"
#include "tokenizer/components/aligned_text.h"
#include "tokenizer/components/normalizer.h"
#include "tokenizer/components/post_processor.h"
#include "tokenizer/components/pre_tokenizer.h"
#include "tokenizer/components/subword_model.h"
#include "tokenizer/components/token_decoder.h"
#include "tokenizer/formats/tokenizer_config.h"

namespace gptq::tokenizer {

// A token of a text and its place, before the post-processor.
struct PlacedToken {
  TokenId id = -1;
  TokenOffset place;
  size_t word = 0;            // counts the words and the added tokens of the text
  std::string_view spelling;  // the vocabulary's, or that of the text where they differ; valid during the call only
};

class Pipeline {
 public:
  // From the parsed tokenizer.json and the tables tapped from it; `what` names the file in errors.
  Pipeline(const Json& json, const ModelTables& tables, const std::string& what, const TokenizerConfig& config);

  // From the text of tokenizer.json.
  static std::unique_ptr<Pipeline> parse(std::string_view text, const std::string& what, const TokenizerConfig& config);

  // Without the post-processor. `text` is valid UTF-8; `protect`: control tokens that overlap marks are ordinary text.
  std::vector<TokenId> encode(MarkedText text, bool protect) const;
  // The same ids, one by one, with their places.
  using TokenSink = std::function<void(const PlacedToken& token)>;
  void encode_with_offsets(MarkedText text, bool protect, const TokenSink& sink) const;
  std::string decode(const TokenId* ids, size_t count, bool skip_special_tokens) const;
  std::string join(std::vector<std::string> tokens) const;  // with the decoder

  const std::string* token(TokenId id) const;  // nullptr when there is none
  TokenId id_of(std::string_view token) const;
  bool is_special(TokenId id) const { return token(id) != nullptr && added_.is_special(*token(id)); }
  const AddedTokens& added_tokens() const { return added_; }
  const SubwordModel& model() const { return *model_; }
  const std::map<std::string, std::string>& named_tokens() const { return named_tokens_; }
  int vocab_size() const { return std::max(static_cast<int>(model_->vocabulary().id_end()), added_.id_end()); }
  TokenId bos_id() const { return bos_; }
  TokenId eos_id() const { return eos_; }
  const PostProcessor& post_processor() const { return post_processor_; }
  const TokenDecoder& decoder() const { return *decoder_; }

 private:
  // Passes on added tokens and the words between them, in order.
  template <typename OnToken, typename OnWords>
  void each_part(AlignedText text, bool protect, const OnToken& on_token, const OnWords& on_words) const;
  void add_tokens(const Json& list, const std::string& what, const TokenizerConfig& config);
  void apply_bos_eos_settings(const TokenizerConfig& config);

  std::unique_ptr<Normalizer> normalizer_;
  PreTokenizer pre_tokenizer_;
  std::unique_ptr<SubwordModel> model_;
  PostProcessor post_processor_;
  std::unique_ptr<TokenDecoder> decoder_;
  AddedTokens added_;
  std::map<std::string, std::string> named_tokens_;
  TokenId bos_ = -1;
  TokenId eos_ = -1;
};

}  // namespace gptq::tokenizer

namespace gptq {

class Tokenizer::Impl : public tokenizer::Pipeline {
 public:
  using Pipeline::Pipeline;
};

}  // namespace gptq
