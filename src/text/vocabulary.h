// Token strings and their ids, in a compact hash table that loads fast for hundreds of thousands of entries.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <gptq/tokenizer.h>

#include "core/json.h"

namespace gptq {

class Vocabulary {
 public:
  // From {"token": id, ...}. Throws Error(kVerification) for ids that are negative, absurdly large or used twice.
  Vocabulary(const Json& json, const std::string& what);

  TokenId find(std::string_view token) const;         // -1 when absent
  const std::string* token(TokenId id) const;          // nullptr when absent
  size_t size() const { return count_; }                // number of tokens
  size_t id_end() const { return tokens_.size(); }      // one more than the highest id

 private:
  void insert(TokenId id);

  std::vector<std::string> tokens_;  // by id; "" where absent, unless it is empty_id_
  std::vector<TokenId> slots_;       // open addressing, a power of two; -1 is free
  size_t count_ = 0;
  TokenId empty_id_ = -1;            // the id of the token "", if there is one
};

}  // namespace gptq
