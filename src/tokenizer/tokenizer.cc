// The public class Tokenizer, on top of the pipeline.
#include <gptq/tokenizer.h>

#include <algorithm>

#include <gptq/error.h>

#include "core/file.h"
#include "tokenizer/components/clean_up.h"
#include "tokenizer/formats/mistral_pattern.h"
#include "tokenizer/formats/tokenizer_config.h"
#include "tokenizer/formats/tokenizer_source.h"
#include "tokenizer/pipeline.h"

namespace gptq {

Tokenizer Tokenizer::open(const std::string& folder, const std::vector<AddedToken>& more_tokens) {
  tokenizer::TokenizerConfig config = tokenizer::read_tokenizer_config(fs::path(folder));
  config.more_tokens = more_tokens;
  for (AddedToken& token : config.more_tokens) token.id = -1;
  tokenizer::TokenizerSource source = tokenizer::open_source(folder, config);
  tokenizer::repair_mistral_pattern(source, config);
  return Tokenizer(std::make_unique<Impl>(*source.json, source.tables, source.what, config));
}

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

std::vector<TokenId> Tokenizer::encode(std::string_view text, bool add_special_tokens) const {
  unicode::MarkedText input;
  input.text = to_valid_utf8(text);
  std::vector<TokenId> ids = impl_->encode(std::move(input), false);
  impl_->post_processor().apply(ids, add_special_tokens);
  return ids;
}

void Tokenizer::encode_with_offsets(std::string_view text, bool add_special_tokens, const OffsetSink& sink) const {
  unicode::MarkedText valid;
  valid.text = to_valid_utf8(text);
  for (const tokenizer::PostProcessor::Part& part : impl_->post_processor().parts(add_special_tokens)) {
    for (const TokenId id : part.ids) sink(id, 0, 0);
    if (!part.text()) continue;
    size_t index = 0;
    impl_->encode_with_offsets(valid, false, [&](const tokenizer::PlacedToken& token) {
      const tokenizer::TokenOffset trimmed = tokenizer::PostProcessor::trimmed(token.place, index++, part.trims);
      sink(token.id, trimmed.begin, trimmed.end);
    });
  }
}

Encoding Tokenizer::encode_with_offsets(std::string_view text, bool add_special_tokens) const {
  Encoding encoding;
  encode_with_offsets(text, add_special_tokens, [&](TokenId id, size_t begin, size_t end) {
    encoding.ids.push_back(id);
    encoding.offsets.emplace_back(begin, end);
  });
  return encoding;
}

std::vector<TokenId> Tokenizer::encode(const Prompt& prompt) const {
  std::string marks(prompt.text.size(), '\0');
  for (const auto& [begin, end] : prompt.input_ranges) {
    if (begin > end || end > marks.size()) {
      throw Error(ErrorKind::kUsage, "tokenizing a prompt: an input range ends at byte " + std::to_string(end) +
                                         " of " + std::to_string(marks.size()));
    }
    std::fill(marks.begin() + static_cast<std::ptrdiff_t>(begin), marks.begin() + static_cast<std::ptrdiff_t>(end),
              '\1');
  }
  unicode::MarkedText valid;
  for (size_t position = 0; position < prompt.text.size();) {
    const Utf8Step step = utf8_step(prompt.text, position);
    const std::string_view bytes = std::string_view(prompt.text).substr(position, step.size);
    const bool marked = std::string_view(marks).substr(position, step.size).find('\1') != std::string_view::npos;
    valid.append(step.valid ? bytes : kReplacementUtf8, marked ? '\1' : '\0');
    position += step.size;
  }
  std::vector<TokenId> ids = impl_->encode(std::move(valid), true);
  impl_->post_processor().apply(ids, false);
  return ids;
}

std::vector<TokenId> Tokenizer::encode_prompt(std::string_view text) const {
  const std::vector<TokenId> bare = impl_->encode({to_valid_utf8(text), ""}, false);
  std::vector<TokenId> ids = bare;
  impl_->post_processor().apply(ids, true);
  const bool own = !bare.empty() && bare[0] == bos_id();
  const bool another = own && ids.size() > bare.size() && ids[0] == bos_id() && ids[1] == bos_id();
  if (another) ids.erase(ids.begin());
  return ids;
}

std::string Tokenizer::decode(const std::vector<TokenId>& ids, bool skip_special_tokens, bool clean_up_spaces) const {
  std::string text = impl_->decode(ids.data(), ids.size(), skip_special_tokens);
  return clean_up_spaces ? tokenizer::without_spaces_before_marks(std::move(text)) : text;
}

int Tokenizer::vocab_size() const { return impl_->vocab_size(); }

std::string Tokenizer::token(TokenId id) const {
  const std::string* found = impl_->token(id);
  return found == nullptr ? "" : *found;
}

TokenId Tokenizer::id_of(std::string_view token) const { return impl_->id_of(token); }

bool Tokenizer::is_special(TokenId id) const { return impl_->is_special(id); }

TokenId Tokenizer::bos_id() const { return impl_->bos_id(); }
TokenId Tokenizer::eos_id() const { return impl_->eos_id(); }

std::string Tokenizer::model_type() const { return impl_->model().type(); }
int Tokenizer::model_size() const { return static_cast<int>(impl_->model().vocabulary().size()); }
std::map<std::string, std::string> Tokenizer::named_tokens() const { return impl_->named_tokens(); }

std::vector<AddedToken> Tokenizer::added_tokens() const {
  std::vector<AddedToken> all;
  for (const auto& [id, token] : impl_->added_tokens().by_id()) {
    all.push_back(token);
    all.back().id = id;
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  return all;
}

std::map<std::string, TokenId> Tokenizer::vocabulary() const {
  std::map<std::string, TokenId> all;
  const tokenizer::Vocabulary& model = impl_->model().vocabulary();
  for (TokenId id = 0; id < static_cast<TokenId>(model.id_end()); ++id) {
    if (const std::string* token = model.token(id)) all.emplace(*token, id);
  }
  for (const auto& [id, token] : impl_->added_tokens().by_id()) all[token.content] = impl_->id_of(token.content);
  return all;
}

std::string Tokenizer::join(const std::vector<std::string>& tokens) const { return impl_->join(tokens); }

}  // namespace gptq
