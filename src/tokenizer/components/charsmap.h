// The "precompiled_charsmap" of SentencePiece: what characters and short clusters of characters are rewritten to.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gptq::tokenizer {

// The bytes hold a double-array trie (Darts-clone) over UTF-8 keys, and behind it the replacements, each ended by a
// zero byte. Immutable; safe to share between threads.
class Charsmap {
 public:
  // Throws Error(kVerification) naming `what`.
  Charsmap(std::string_view bytes, const std::string& what);

  // What replaces the shortest key that `text` begins with. The reference asks with whole clusters and takes the
  // answer for all of the cluster; so do we.
  std::optional<std::string_view> find(std::string_view text) const;

 private:
  std::vector<uint32_t> units_;
  std::string replacements_;
};

}  // namespace gptq::tokenizer
