// Tokenizers: convert text to token ids and back, as defined by the tokenizer files of a model folder.
#pragma once

#include <functional>
#include <map>
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
// text after replacement of invalid UTF-8. White space absorbed by an added token belongs to its range; tokens added by
// the post-processor have the range [0, 0); all byte tokens of one character have the range of that character.
struct Encoding {
  std::vector<TokenId> ids;
  std::vector<std::pair<size_t, size_t>> offsets;
};

// A string that is matched before the rest of the pipeline sees the text, such as a control token.
struct AddedToken {
  TokenId id = -1;  // set in what Tokenizer::added_tokens returns
  std::string content;
  bool single_word = false;  // matches only without word characters on either side
  bool lstrip = false;       // includes the white space on its left
  bool rstrip = false;       // and on its right
  bool normalized = true;    // matched after normalization, in its own normalized form
  bool special = false;      // a control token: omitted when decoding, and not matched in protected input

  bool operator==(const AddedToken&) const = default;
};

// A tokenizer, built from the components that the Hugging Face `tokenizers` library defines (normalizer,
// pre_tokenizer, model, post_processor, decoder, added_tokens). Immutable: one object may be used from several threads
// at the same time.
//
// Encoding functions throw Error(kUsage) for a text of more than 512 MiB, and Error(kVerification) when the components
// lengthen the text beyond the limit (docs/text.md) or a word cannot be encoded because the model has no unknown token.
class Tokenizer {
 public:
  // Reads a model folder's tokenizer.json, or else tekken.json, tokenizer.model (SentencePiece or tiktoken), a tiktoken
  // file, vocab.json with merges.txt, encoder.json with vocab.bpe, or vocab.txt; and tokenizer_config.json
  // (docs/text.md). Throws Error(kNotFound) when there is none, and Error(kVerification | kPermission), naming the file
  // and the component, when a file is malformed, unsupported or unreadable.
  // `more_tokens` are added after those of the files; their ids are ignored: a token that the vocabulary lacks gets the
  // next free id.
  static Tokenizer open(const std::string& folder, const std::vector<AddedToken>& more_tokens = {});

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Encodes a text. Each maximal invalid subpart of malformed UTF-8 is read as U+FFFD. `add_special_tokens` applies the
  // post-processor (for most models: a BOS token at the beginning).
  std::vector<TokenId> encode(std::string_view text, bool add_special_tokens = true) const;

  // Like encode(text), for text that may be a rendered prompt: when it begins with the BOS token, no other is added.
  std::vector<TokenId> encode_prompt(std::string_view text) const;

  // Like encode(text, add_special_tokens), with character ranges. Several times slower.
  Encoding encode_with_offsets(std::string_view text, bool add_special_tokens = true) const;

  // The same, passing each token to `sink` (on the calling thread) instead of collecting them. Memory use does not
  // depend on the number of tokens.
  using OffsetSink = std::function<void(TokenId id, size_t begin, size_t end)>;
  void encode_with_offsets(std::string_view text, bool add_special_tokens, const OffsetSink& sink) const;

  // Like encode(prompt.text, false), but control tokens that overlap an input range are encoded as ordinary text, so
  // that messages cannot inject roles or turns. Throws Error(kUsage) for a range outside the text.
  std::vector<TokenId> encode(const Prompt& prompt) const;

  // Decodes ids; unknown ids are skipped. `clean_up_spaces` removes spaces before punctuation and English contractions
  // (clean_up_tokenization_spaces of transformers). It changes generated text and is therefore off by default.
  std::string decode(const std::vector<TokenId>& ids, bool skip_special_tokens = true,
                     bool clean_up_spaces = false) const;

  // Decodes the spellings of tokens, which need not be in the vocabulary.
  std::string join(const std::vector<std::string>& tokens) const;

  int vocab_size() const;                       // ids are in [0, vocab_size)
  std::string token(TokenId id) const;          // spelling in the vocabulary; "" for an unknown id
  TokenId id_of(std::string_view token) const;  // -1 for an unknown token
  bool is_special(TokenId id) const;
  TokenId bos_id() const;  // from the configuration; -1 if there is none
  TokenId eos_id() const;  // likewise

  std::string model_type() const;                           // "BPE", "Unigram", "WordLevel" or "WordPiece"
  int model_size() const;                                   // number of tokens without the added ones
  std::vector<AddedToken> added_tokens() const;         // ascending ids
  std::map<std::string, TokenId> vocabulary() const;        // of all tokens
  std::map<std::string, std::string> named_tokens() const;  // "bos_token" -> "<s>", from the configuration

  class Impl;
  const Impl& impl() const { return *impl_; }

 private:
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Decodes a sequence of ids one at a time. The returned pieces are valid UTF-8; concatenated they equal decode() of all
// ids. One object must not be used by two threads at the same time.
class StreamingDecoder {
 public:
  explicit StreamingDecoder(const Tokenizer& tokenizer, bool skip_special_tokens = true);  // keeps a reference to it

  // Sets the ids that precede the first push, for example those of a prompt: the decoder then returns only the text
  // that the pushed ids add to decode(ids). Call it before the first push.
  void follow(const std::vector<TokenId>& ids);
  std::string push(TokenId id);  // returns the text that later ids cannot change; often ""
  std::string finish();          // returns the remaining text

 private:
  void forget(size_t pending);

  const Tokenizer* tokenizer_;
  bool skip_special_tokens_;
  std::vector<TokenId> window_;  // the last ids: context, and those whose text may still change
  size_t emitted_ = 0;           // bytes of the window's text already returned
  std::string followed_;         // preceding text that ends with U+FFFD: a character that may still be completed
};

}  // namespace gptq
