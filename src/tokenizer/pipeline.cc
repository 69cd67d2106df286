// Builds the pipeline from tokenizer.json; encodes and decodes with its components.
#include "tokenizer/pipeline.h"

#include <algorithm>

#include <gptq/error.h>

#include "core/json.h"
#include "tokenizer/components/added_tokens.h"
#include "tokenizer/components/normalizer.h"
#include "tokenizer/components/post_processor.h"
#include "tokenizer/components/pre_tokenizer.h"
#include "tokenizer/components/subword_model.h"
#include "tokenizer/components/token_decoder.h"
#include "tokenizer/formats/tokenizer_config.h"
#include "unicode/characters.h"

namespace gptq::tokenizer {

namespace {

constexpr size_t kMaxTextBytes = size_t{1} << 29;

// White space, or the byte alphabet's letter for a space.
bool is_space(char32_t code) { return unicode::is_whitespace(code) || code == 0x120; }

size_t leading_spaces(std::string_view text) {
  size_t count = 0;
  for (size_t position = 0; position < text.size() && is_space(next_char(text, position));) ++count;
  return count;
}

size_t trailing_spaces(std::string_view text) {
  size_t count = 0;
  for (; !text.empty() && is_space(unicode::char_before(text, text.size())); ++count) {
    text.remove_suffix(utf8(unicode::char_before(text, text.size())).size());
  }
  return count;
}

// Converts byte offsets to character offsets of one text, which must outlive it.
class CharIndex {
 public:
  explicit CharIndex(std::string_view text) : text_(text) {
    uint32_t count = 0;
    for (size_t begin = 0; begin < text.size(); begin += kBlock) {
      before_block_.push_back(count);
      count += starts(begin, std::min(begin + kBlock, text.size()));
    }
  }

  // Without a corresponding character, bytes are returned, as the reference implementation does.
  std::pair<size_t, size_t> range(size_t begin, size_t end) const {
    const size_t size = text_.size();
    if (begin >= size) return {begin, end};
    if (end < size) return {of_byte(begin), of_byte(end)};
    return {of_byte(begin), (end == size ? of_byte(size - 1) : of_byte(begin)) + 1};
  }

 private:
  static constexpr size_t kBlock = 64;

  size_t of_byte(size_t byte) const {
    return before_block_[byte / kBlock] + starts(byte / kBlock * kBlock, byte + 1) - 1;
  }
  uint32_t starts(size_t begin, size_t end) const {  // characters that begin in [begin, end)
    uint32_t count = 0;
    for (size_t i = begin; i < end; ++i) count += (static_cast<unsigned char>(text_[i]) & 0xC0) != 0x80 ? 1 : 0;
    return count;
  }

  std::string_view text_;
  std::vector<uint32_t> before_block_;
};

const Json& part(const Json& json, const char* key) {
  static const Json kNull;
  const auto found = json.find(key);
  return found == json.end() ? kNull : *found;
}

}  // namespace

Pipeline::Pipeline(const Json& json, const ModelTables& tables, const std::string& what, const TokenizerConfig& config)
    : normalizer_(make_normalizer(part(JsonReader(json, what).json(), "normalizer"), what + ": normalizer")),
      pre_tokenizer_(make_pre_tokenizer(part(json, "pre_tokenizer"), what + ": pre_tokenizer")),
      model_(make_subword_model(part(json, "model"), tables, what + ": model")),
      post_processor_(make_post_processor(part(json, "post_processor"), what + ": post_processor")),
      decoder_(make_token_decoder(part(json, "decoder"), what + ": decoder")) {
  add_tokens(part(json, "added_tokens"), what, config);
  named_tokens_ = config.named_tokens;
  const auto named_id = [&](const char* name) { return config.named(name).empty() ? -1 : id_of(config.named(name)); };
  bos_ = named_id("bos_token");
  eos_ = named_id("eos_token");
  apply_bos_eos_settings(config);
}

std::unique_ptr<Pipeline> Pipeline::parse(std::string_view text, const std::string& what,
                                          const TokenizerConfig& config) {
  ModelTables tables;
  const Json json = parse_json(text, what, tables.taps());
  return std::make_unique<Pipeline>(json, tables, what, config);
}

void Pipeline::add_tokens(const Json& list, const std::string& what, const TokenizerConfig& config) {
  if (!list.is_null() && !list.is_array()) {
    throw Error(ErrorKind::kVerification, "reading " + what + ": added_tokens is not a list");
  }
  const Vocabulary& vocabulary = model_->vocabulary();
  std::vector<AddedToken> batch;
  for (const Json& token : list) batch.push_back(parse_added_token(token, what + ": added_tokens"));
  added_.add(batch, vocabulary);
  for (auto [id, token] : config.added_tokens) {
    const auto named = [&token = token](const AddedToken& control) { return control.content == token.content; };
    token.special |= std::any_of(config.control_tokens.begin(), config.control_tokens.end(), named);
    added_.add({token}, vocabulary);
  }
  for (const AddedToken& token : config.control_tokens) {
    if (!added_.contains(token.content)) added_.add({token}, vocabulary);
  }
  added_.add(config.more_tokens, vocabulary);
  added_.prepare(*normalizer_, what + ": added_tokens");
}

// The keys of tokenizer_config.json, if present, replace the post-processor; the side of a missing key stays as the
// post-processor defines it.
void Pipeline::apply_bos_eos_settings(const TokenizerConfig& config) {
  if (!config.add_bos_token && !config.add_eos_token) return;
  std::vector<TokenId> frame;
  post_processor_.apply(frame, true);
  const bool begins = !frame.empty() && frame.front() == bos_;
  const bool ends = frame.size() > (begins ? 1u : 0u) && frame.back() == eos_;
  std::vector<TokenId> before, after;
  if (config.add_bos_token.value_or(begins) && bos_ >= 0) before.push_back(bos_);
  if (config.add_eos_token.value_or(ends) && eos_ >= 0) after.push_back(eos_);
  post_processor_ = PostProcessor(std::move(before), std::move(after), config.second_type_id);
}

template <typename OnToken, typename OnWords>
void Pipeline::each_part(AlignedText text, bool protect, const OnToken& on_token, const OnWords& on_words) const {
  if (text.text.size() > kMaxTextBytes) {
    throw Error(ErrorKind::kUsage, "tokenizing a text of " + std::to_string(text.text.size()) +
                                       " bytes: at most 512 MiB are tokenized at once; cut it into parts");
  }
  TextBudget budget("encoding", text.text.size());
  added_.cut(std::move(text), false, protect, on_token, [&](AlignedText raw) {
    normalizer_->apply(raw, budget);
    added_.cut(std::move(raw), true, protect, on_token,
               [&](AlignedText piece) { pre_tokenizer_.apply(std::move(piece), budget, on_words); });
  });
}

std::vector<TokenId> Pipeline::encode(MarkedText text, bool protect) const {
  std::vector<TokenId> ids;
  std::vector<std::string_view> list;
  const auto on_words = [&](const Words& words) {
    list.resize(words.spans.size());
    for (size_t i = 0; i < list.size(); ++i) list[i] = words.word(i);
    model_->encode(list, ids);
  };
  const auto on_token = [&](const AlignedText&, const FoundToken& token) { ids.push_back(token.id); };
  each_part(AlignedText(std::move(text), false), protect, on_token, on_words);
  return ids;
}

void Pipeline::encode_with_offsets(MarkedText input, bool protect, const TokenSink& sink) const {
  const std::string text = input.text;
  const CharIndex chars(text);
  size_t word_index = 0;
  const auto end_of = [&](Origin origin) {
    size_t end = origin.byte();
    if (!origin.empty()) next_char(text, end);
    return end;
  };
  const auto add = [&](TokenId id, std::pair<size_t, size_t> bytes, std::string_view spelling) {
    const auto [begin, end] = chars.range(bytes.first, bytes.second);
    sink({id, {begin, end, leading_spaces(spelling), trailing_spaces(spelling)}, word_index, spelling});
  };
  const auto on_token = [&](const AlignedText& whole, const FoundToken& token) {
    add(token.id, {whole.origins[token.begin].byte(), end_of(whole.origins[token.end - 1])},
        std::string_view(whole.text).substr(token.begin, token.end - token.begin));
    ++word_index;
  };
  const auto on_words = [&](const Words& words) {
    for (size_t i = 0; i < words.spans.size(); ++i) {
      const Origin* origins = words.origins.data() + words.spans[i].begin;
      const std::string_view word = words.word(i);
      model_->encode_with_offsets(word, [&](const TokenSpan& token) {
        // For a token that ends after the word, the reference implementation returns its offsets in the word.
        std::pair<size_t, size_t> bytes{token.begin, token.end};
        const bool inside = token.begin < token.end && token.end <= word.size();
        if (inside) bytes = {origins[token.begin].byte(), end_of(origins[token.end - 1])};
        const std::string* spelling = model_->vocabulary().token(token.id);
        const bool verbatim = token.verbatim || spelling == nullptr;
        add(token.id, bytes,
            verbatim ? word.substr(token.begin, token.end - token.begin) : std::string_view(*spelling));
      });
      ++word_index;
    }
  };
  each_part(AlignedText(std::move(input), true), protect, on_token, on_words);
}

const std::string* Pipeline::token(TokenId id) const {
  const std::string* added = added_.token(id);
  return added != nullptr ? added : model_->vocabulary().token(id);
}

TokenId Pipeline::id_of(std::string_view token) const {
  const TokenId added = added_.find(token);
  return added >= 0 ? added : model_->vocabulary().find(token);
}

std::string Pipeline::decode(const TokenId* ids, size_t count, bool skip_special_tokens) const {
  std::vector<std::string> tokens;
  tokens.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    const std::string* found = token(ids[i]);
    if (found == nullptr || (skip_special_tokens && added_.is_special(*found))) continue;
    tokens.push_back(*found);
  }
  return join(std::move(tokens));
}

std::string Pipeline::join(std::vector<std::string> tokens) const {
  size_t size = 0;
  for (const std::string& token : tokens) size += token.size();
  TextBudget budget("decoding", size);
  decoder_->apply(tokens, budget);
  std::string text;
  for (const std::string& token : tokens) text += token;
  return text;
}

}  // namespace gptq::tokenizer
