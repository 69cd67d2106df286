// Open addressing over the token strings, with the strings kept by id.
#include "text/vocabulary.h"

#include <algorithm>
#include <bit>
#include <functional>

#include <gptq/error.h>

namespace gptq {

namespace {

constexpr int64_t kHighestId = 16'777'215;  // far above every published vocabulary; a guard against hostile files

size_t hash_of(std::string_view token) { return std::hash<std::string_view>{}(token); }

}  // namespace

Vocabulary::Vocabulary(const Json& json, const std::string& what) {
  const auto fail = [&](const std::string& token, const std::string& found) {
    throw Error(ErrorKind::kVerification, "reading " + what + ": the token \"" + token + "\" has " + found +
                                              ", expected its own id from 0 to " + std::to_string(kHighestId));
  };
  if (!json.is_object()) fail("", std::string("a ") + json.type_name() + " around it instead of an object");
  tokens_.reserve(json.size());
  slots_.assign(std::bit_ceil(std::max<size_t>(16, json.size() * 2)), -1);
  std::vector<bool> used;
  for (const auto& [token, value] : json.items()) {
    if (!value.is_number_integer()) fail(token, std::string("a ") + value.type_name());
    const auto id = value.get<int64_t>();
    if (id < 0 || id > kHighestId) fail(token, "the id " + std::to_string(id));
    const auto index = static_cast<size_t>(id);
    if (index >= tokens_.size()) tokens_.resize(index + 1);
    if (index >= used.size()) used.resize(std::max(index + 1, used.size() * 2));
    if (used[index]) fail(token, "the id " + std::to_string(id) + " that another token has");
    used[index] = true;
    if (token.empty()) empty_id_ = static_cast<TokenId>(id);
    tokens_[index] = token;
    insert(static_cast<TokenId>(id));
  }
}

void Vocabulary::insert(TokenId id) {
  size_t slot = hash_of(tokens_[static_cast<size_t>(id)]) & (slots_.size() - 1);
  while (slots_[slot] >= 0) slot = (slot + 1) & (slots_.size() - 1);
  slots_[slot] = id;
  ++count_;
}

TokenId Vocabulary::find(std::string_view token) const {
  for (size_t slot = hash_of(token) & (slots_.size() - 1); slots_[slot] >= 0; slot = (slot + 1) & (slots_.size() - 1)) {
    if (tokens_[static_cast<size_t>(slots_[slot])] == token) return slots_[slot];
  }
  return -1;
}

const std::string* Vocabulary::token(TokenId id) const {
  if (id < 0 || static_cast<size_t>(id) >= tokens_.size()) return nullptr;
  const std::string& found = tokens_[static_cast<size_t>(id)];
  return found.empty() && id != empty_id_ ? nullptr : &found;
}

}  // namespace gptq
