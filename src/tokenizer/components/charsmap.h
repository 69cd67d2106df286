// The "precompiled_charsmap" of SentencePiece: replacements of characters and short clusters of characters.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gptq::tokenizer {

// The bytes hold a double-array trie (Darts-clone) over UTF-8 keys, followed by the replacements, each terminated by a
// zero byte. Immutable and thread-safe.
class Charsmap {
 public:
  // Throws Error(kVerification) naming `what`.
  Charsmap(std::string_view bytes, const std::string& what);

  // The replacement of the shortest key that `text` begins with. As in the reference implementation, callers pass whole
  // clusters and use the result for the entire cluster.
  std::optional<std::string_view> find(std::string_view text) const;

 private:
  std::vector<uint32_t> units_;
  std::string replacements_;
};

}  // namespace gptq::tokenizer
