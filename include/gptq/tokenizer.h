// Tokenizers: text to token ids and back, as the tokenizer files of a model folder define it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gptq {

using TokenId = int;

// A rendered conversation, with the byte ranges that come from messages rather than from the template.
struct Prompt {
  std::string text;
  std::vector<std::pair<size_t, size_t>> input_ranges;  // [begin, end) byte offsets, ascending, disjoint
};

// Token ids, and for each id the range [begin, end) of characters it was made from. Characters are code points of the
// text after invalid UTF-8 was replaced. White space that an added token absorbs belongs to its range; tokens added by
// the post-processor have the range 0 to 0; all byte tokens of one character have the range of that character.
struct Encoding {
  std::vector<TokenId> ids;
  std::vector<std::pair<size_t, size_t>> offsets;
};

// A tokenizer, built from the components that the Hugging Face `tokenizers` library defines (normalizer,
// pre_tokenizer, model, post_processor, decoder, added_tokens). Immutable: one object may be used from several threads
// at the same time.
//
// Encoding functions throw Error(kUsage) for a text of more than 512 MiB, and Error(kVerification) when a component
// grows the text beyond all measure or a word cannot be encoded because the model has no unknown token.
class Tokenizer {
 public:
  // Reads a model folder's tokenizer.json, or else tekken.json, tokenizer.model (SentencePiece or tiktoken), a tiktoken
  // file, vocab.json with merges.txt, encoder.json with vocab.bpe, or vocab.txt; and tokenizer_config.json
  // (docs/text.md). Throws Error(kNotFound) when there is none, and Error(kVerification | kPermission), naming the file
  // and the component, when a file is malformed, unsupported or unreadable.
  static Tokenizer open(const std::string& folder);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Encodes a text. Each maximal invalid subpart of malformed UTF-8 is read as U+FFFD. `add_special_tokens` applies the
  // post-processor (for most models: a BOS token at the beginning).
  std::vector<TokenId> encode(std::string_view text, bool add_special_tokens = true) const;

  // Like encode(text), for text that may be a rendered prompt: when it begins with the BOS token, no other is added.
  std::vector<TokenId> encode_prompt(std::string_view text) const;

  // The same ids with their character ranges. Several times slower than encode.
  Encoding encode_with_offsets(std::string_view text, bool add_special_tokens = true) const;

  // The same, passing each token to `sink` (on the calling thread) instead of collecting all of them. The memory that
  // is needed depends on the text only.
  using OffsetSink = std::function<void(TokenId id, size_t begin, size_t end)>;
  void encode_with_offsets(std::string_view text, bool add_special_tokens, const OffsetSink& sink) const;

  // Like encode(prompt.text, false), but control tokens that overlap an input range are encoded as ordinary text, so
  // that messages cannot inject roles or turns. Throws Error(kUsage) for a range outside the text.
  std::vector<TokenId> encode(const Prompt& prompt) const;

  // Decodes ids; unknown ids are skipped. `clean_up_spaces` removes spaces before punctuation and English contractions
  // (clean_up_tokenization_spaces of transformers). It changes generated text and is therefore off by default.
  std::string decode(const std::vector<TokenId>& ids, bool skip_special_tokens = true,
                     bool clean_up_spaces = false) const;

  int vocab_size() const;                       // ids are in [0, vocab_size)
  std::string token(TokenId id) const;          // as spelled in the vocabulary; "" for an unknown id
  TokenId id_of(std::string_view token) const;  // -1 for an unknown token
  bool is_special(TokenId id) const;
  TokenId bos_id() const;  // from the configuration; -1 when there is none
  TokenId eos_id() const;  // the same

  class Impl;
  const Impl& impl() const { return *impl_; }

 private:
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Decodes ids one at a time. Returned text is always complete UTF-8, and all of it together equals decode() of all ids.
// One object serves one sequence and one thread.
class StreamingDecoder {
 public:
  explicit StreamingDecoder(const Tokenizer& tokenizer, bool skip_special_tokens = true);  // keeps a reference

  // Sets ids that precede the first push and whose text was already printed: the decoder then returns what decode() of
  // both adds to decode() of `ids`. Call it before the first push.
  void follow(const std::vector<TokenId>& ids);
  std::string push(TokenId id);  // the text that no later id can change; often ""
  std::string finish();          // the remaining text

 private:
  void forget(size_t pending);

  const Tokenizer* tokenizer_;
  bool skip_special_tokens_;
  std::vector<TokenId> window_;  // the last ids: context, and those whose text is not final yet
  size_t emitted_ = 0;           // bytes of the window's text that were returned
  std::string followed_;         // preceding text that ends with U+FFFD: a character that may still be completed
};

}  // namespace gptq
