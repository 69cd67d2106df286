// Open addressing over the token strings; strings are stored by id.
#include "tokenizer/components/vocabulary.h"

#include <algorithm>
#include <bit>
#include <functional>

#include <gptq/error.h>

namespace gptq::tokenizer {

namespace {

// Ids may have gaps, but a small file must not request much memory.
int64_t max_id(size_t entries) { return 1'000'000 + 4 * static_cast<int64_t>(entries); }

size_t hash_of(std::string_view token) { return std::hash<std::string_view>{}(token); }

uint32_t tag_of(size_t hash) { return static_cast<uint32_t>(hash >> 32); }

}  // namespace

Vocabulary::Vocabulary(const Entries& entries, const std::string& what, Twice twice) {
  const int64_t max = max_id(entries.size());
  const auto fail = [&](const std::string& token, const std::string& found) {
    throw Error(ErrorKind::kVerification, "reading " + what + ": the token \"" + token + "\" " + found +
                                              ", expected an id of its own from 0 to " + std::to_string(max));
  };
  tokens_.reserve(entries.size());
  slots_.resize(std::bit_ceil(std::max<size_t>(16, entries.size() * 2)));
  std::vector<bool> used;
  for (const auto& [token, id] : entries) {
    if (id < 0 || id > max) fail(token, "has the id " + std::to_string(id));
    const auto index = static_cast<size_t>(id);
    if (index >= tokens_.size()) tokens_.resize(index + 1);
    if (index >= used.size()) used.resize(std::max(index + 1, used.size() * 2));
    if (used[index]) fail(token, "has the id " + std::to_string(id) + " of another token");
    used[index] = true;
    if (token.empty()) empty_id_ = static_cast<TokenId>(id);
    tokens_[index] = token;
    const size_t hash = hash_of(token);
    const size_t slot = slot_of(token, hash);
    if (slots_[slot].id >= 0 && twice == Twice::kRefused) fail(token, "appears twice");
    slots_[slot] = {tag_of(hash), static_cast<TokenId>(id)};
    ++count_;
  }
}

size_t Vocabulary::slot_of(std::string_view token, size_t hash) const {
  size_t slot = hash & (slots_.size() - 1);
  for (; slots_[slot].id >= 0; slot = (slot + 1) & (slots_.size() - 1)) {
    const Slot& candidate = slots_[slot];
    if (candidate.tag == tag_of(hash) && tokens_[static_cast<size_t>(candidate.id)] == token) break;
  }
  return slot;
}

TokenId Vocabulary::find(std::string_view token) const { return slots_[slot_of(token, hash_of(token))].id; }

void Vocabulary::find(std::span<const std::string_view> tokens, std::span<TokenId> ids) const {
  std::vector<size_t> hashes(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) {
    hashes[i] = hash_of(tokens[i]);
    __builtin_prefetch(&slots_[hashes[i] & (slots_.size() - 1)]);
  }
  for (const size_t hash : hashes) {
    const TokenId likely = slots_[hash & (slots_.size() - 1)].id;
    if (likely >= 0) __builtin_prefetch(&tokens_[static_cast<size_t>(likely)]);
  }
  for (size_t i = 0; i < tokens.size(); ++i) ids[i] = slots_[slot_of(tokens[i], hashes[i])].id;
}

const std::string* Vocabulary::token(TokenId id) const {
  if (id < 0 || static_cast<size_t>(id) >= tokens_.size()) return nullptr;
  const std::string& found = tokens_[static_cast<size_t>(id)];
  return found.empty() && id != empty_id_ ? nullptr : &found;
}

}  // namespace gptq::tokenizer
