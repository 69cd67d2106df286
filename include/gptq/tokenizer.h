// Text to token ids and back, exactly as the model folder's tokenizer files say.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gptq {

using TokenId = int;

// Rendered chat text that remembers which of its bytes came from people rather than from the template.
struct Prompt {
  std::string text;
  std::vector<std::pair<size_t, size_t>> input_ranges;  // [begin, end) byte offsets, ascending, disjoint
};

// Ids and, for each, the characters [begin, end) of the text that it stands for. Characters are code points of the text
// after broken UTF-8 was replaced. White space that an added token swallowed belongs to it; tokens that the
// post-processor adds stand for 0 to 0; the bytes of one character all stand for that character.
struct Encoding {
  std::vector<TokenId> ids;
  std::vector<std::pair<size_t, size_t>> offsets;
};

// Immutable after opening and safe to share between threads. Source of the format: the component graph of the
// Hugging Face `tokenizers` library (normalizer, pre_tokenizer, model, post_processor, decoder, added_tokens).
class Tokenizer {
 public:
  // Reads a model folder's tokenizer.json, or else tekken.json, tokenizer.model (SentencePiece or tiktoken), a tiktoken
  // file or vocab.json with merges.txt, and the settings in tokenizer_config.json (docs/text.md). Throws
  // Error(kNotFound) when there is none and Error(kVerification), naming the file and the part, when it is broken or
  // unsupported.
  static Tokenizer open(const std::string& folder);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Invalid UTF-8 becomes U+FFFD, one for each maximal invalid subpart. `add_special_tokens` applies the
  // post-processor (for most models: a BOS token in front).
  std::vector<TokenId> encode(std::string_view text, bool add_special_tokens = true) const;

  // Like encode(text), for a prompt that may already have been rendered: a text that begins with the BOS token does
  // not get another one.
  std::vector<TokenId> encode_prompt(std::string_view text) const;

  // The same ids, and where they come from. Several times slower.
  Encoding encode_with_offsets(std::string_view text, bool add_special_tokens = true) const;

  // The same, each token handed to `sink` as soon as it is known: a long text then needs memory for itself, not for its
  // tokens.
  using OffsetSink = std::function<void(TokenId id, size_t begin, size_t end)>;
  void encode_with_offsets(std::string_view text, bool add_special_tokens, const OffsetSink& sink) const;

  // Like encode(prompt.text, false), but control tokens that touch input bytes are read as ordinary text, so
  // that people cannot write themselves a new role.
  std::vector<TokenId> encode(const Prompt& prompt) const;

  // `clean_up_spaces` removes spaces before punctuation and English contractions, as transformers does under
  // "clean_up_tokenization_spaces". It changes text that the model wrote, so it is never done unless asked for.
  std::string decode(const std::vector<TokenId>& ids, bool skip_special_tokens = true,
                     bool clean_up_spaces = false) const;

  int vocab_size() const;                       // ids are in [0, vocab_size)
  std::string token(TokenId id) const;          // as spelled in the vocabulary; "" when there is none
  TokenId id_of(std::string_view token) const;  // -1 when there is none
  bool is_special(TokenId id) const;
  TokenId bos_id() const;  // from the settings; -1 when there is none
  TokenId eos_id() const;

  class Impl;
  const Impl& impl() const { return *impl_; }

 private:
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Turns ids that arrive one by one into text that is always whole UTF-8 and adds up to what decode() gives; behind
// follow(), to what decode() gives for both without what it gives for those in front.
class StreamingDecoder {
 public:
  explicit StreamingDecoder(const Tokenizer& tokenizer, bool skip_special_tokens = true);  // borrows
  void follow(const std::vector<TokenId>& ids);  // what stands in front, given out already; before the first push
  std::string push(TokenId id);                  // the text that has become certain, often ""
  std::string finish();                          // whatever is left

 private:
  void forget(size_t pending);

  const Tokenizer* tokenizer_;
  bool skip_special_tokens_;
  std::vector<TokenId> window_;  // the last ids: context, and those whose text is not certain yet
  size_t emitted_ = 0;           // bytes of the window's text already returned
  std::string followed_;         // text in front that ends with U+FFFD: a character that may still become whole
};

}  // namespace gptq
