// Token strings and their ids, in a compact hash table that loads hundreds of thousands of entries quickly.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gptq/tokenizer.h>

namespace gptq::tokenizer {

class Vocabulary {
 public:
  using Entries = std::vector<std::pair<std::string, int64_t>>;  // token and id

  enum class Twice { kRefused, kLastId };  // the treatment of duplicate tokens

  // Throws Error(kVerification) for duplicate tokens (unless find() is to return the last id) and for ids that are
  // negative, far too large or used twice.
  Vocabulary(const Entries& entries, const std::string& what, Twice twice = Twice::kRefused);

  TokenId find(std::string_view token) const;  // -1 when absent
  // The same for many words at once, several times as fast: the memory of all is prefetched before any is compared.
  void find(std::span<const std::string_view> tokens, std::span<TokenId> ids) const;
  const std::string* token(TokenId id) const;       // nullptr when absent
  size_t size() const { return count_; }            // number of tokens
  size_t id_end() const { return tokens_.size(); }  // one more than the maximum id

 private:
  // Part of the hash is stored with the id, so that a look-up rarely accesses a wrong string.
  struct Slot {
    uint32_t tag = 0;
    TokenId id = -1;
  };

  size_t slot_of(std::string_view token, size_t hash) const;  // the slot of the token, or where it would be

  std::vector<std::string> tokens_;  // by id; "" where absent, unless it is empty_id_
  std::vector<Slot> slots_;          // open addressing, a power of two
  size_t count_ = 0;
  TokenId empty_id_ = -1;  // the id of the token "", if there is one
};

}  // namespace gptq::tokenizer
