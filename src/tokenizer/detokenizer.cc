// Streaming decoding: text is returned once no later id can change it.
#include <algorithm>

#include <gptq/tokenizer.h>

#include "tokenizer/pipeline.h"
#include "unicode/characters.h"

namespace gptq {

namespace {

// Number of context ids whose decoding ends like the decoding of all ids: four or more bytes resynchronize a cut inside
// a character, and any text at all consumes what decoders do at the beginning.
constexpr size_t kContext = 5;

}  // namespace

StreamingDecoder::StreamingDecoder(const Tokenizer& tokenizer, bool skip_special_tokens)
    : tokenizer_(&tokenizer), skip_special_tokens_(skip_special_tokens) {}

void StreamingDecoder::follow(const std::vector<TokenId>& ids) {
  const Tokenizer::Impl& impl = tokenizer_->impl();
  for (auto id = ids.rbegin(); id != ids.rend() && window_.size() < 2 * kContext; ++id) {
    const std::string* token = impl.token(*id);
    if (token == nullptr || (skip_special_tokens_ && impl.is_special(*id))) continue;
    // Bytes at the end of the preceding text would form one run with those that follow, valid or invalid as a whole.
    if (window_.empty() && impl.decoder().has_byte_runs() && tokenizer::byte_of_token(*token) >= 0) continue;
    window_.insert(window_.begin(), *id);
  }
  const std::string text = impl.decode(window_.data(), window_.size(), false);
  emitted_ = text.size();
  if (text.ends_with(kReplacementUtf8)) followed_ = text;
}

std::string StreamingDecoder::push(TokenId id) {
  const Tokenizer::Impl& impl = tokenizer_->impl();
  const std::string* token = impl.token(id);
  if (token == nullptr || (skip_special_tokens_ && impl.is_special(id))) return "";  // decode() omits them too
  window_.push_back(id);
  // A run of byte tokens is valid or invalid as a whole, so none of it is final before it ends.
  if (impl.decoder().has_byte_runs() && tokenizer::byte_of_token(*token) >= 0) return "";
  const std::string text = impl.decode(window_.data(), window_.size(), false);
  if (!followed_.empty() && text != followed_) {
    if (!text.starts_with(followed_)) emitted_ -= kReplacementUtf8.size();
    followed_.clear();
  }
  // A replacement character at the end may be a character whose bytes are incomplete.
  const size_t certain = text.size() - (text.ends_with(kReplacementUtf8) ? kReplacementUtf8.size() : 0);
  std::string fresh = certain > emitted_ ? text.substr(emitted_, certain - emitted_) : "";
  emitted_ = std::max(emitted_, certain);
  if (window_.size() > 2 * kContext) forget(text.size() - emitted_);
  return fresh;
}

// Keeps the last few ids as context, unless they alone decode to nothing. `pending` bytes of text are not returned yet.
void StreamingDecoder::forget(size_t pending) {
  const Tokenizer::Impl& impl = tokenizer_->impl();
  const std::vector<TokenId> context(window_.end() - static_cast<std::ptrdiff_t>(kContext), window_.end());
  const size_t size = impl.decode(context.data(), context.size(), false).size();
  if (size <= pending) return;
  emitted_ = size - pending;
  window_ = context;
}

std::string StreamingDecoder::finish() {
  const std::string text = tokenizer_->impl().decode(window_.data(), window_.size(), false);
  window_.clear();
  std::string rest = text.size() > emitted_ ? text.substr(emitted_) : "";
  emitted_ = 0;
  return rest;
}

}  // namespace gptq
