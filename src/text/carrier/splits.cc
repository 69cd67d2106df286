// Looking up every prefix and its rest in a hash table, with limits that keep hostile files from taking long.
#include "text/carrier/splits.h"

#include <unordered_map>

#include <gptq/error.h>

namespace gptq {

namespace {

constexpr size_t kLongestToken = 1024;  // bytes; the longest of known vocabularies are runs of 128 spaces

// Bytes of all merges written out: vocabularies of 262,144 tokens have 10 MB.
size_t merge_budget(size_t token_bytes) { return (size_t{16} << 20) + 32 * token_bytes; }

}  // namespace

std::vector<Split> all_splits(const std::vector<std::string>& tokens, bool by_characters, const std::string& what) {
  std::unordered_map<std::string_view, uint32_t> index;
  index.reserve(tokens.size());
  size_t total = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].size() > kLongestToken) {
      throw Error(ErrorKind::kVerification, "reading " + what + ": token " + std::to_string(i) + " has " +
                                                std::to_string(tokens[i].size()) + " bytes, expected at most " +
                                                std::to_string(kLongestToken));
    }
    index.emplace(tokens[i], static_cast<uint32_t>(i));
    total += tokens[i].size();
  }
  size_t budget = merge_budget(total);
  std::vector<Split> splits;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const std::string_view token = tokens[i];
    for (size_t cut = 1; cut < token.size(); ++cut) {
      if (by_characters && (token[cut] & 0xC0) == 0x80) continue;
      const auto left = index.find(token.substr(0, cut));
      if (left == index.end()) continue;
      const auto right = index.find(token.substr(cut));
      if (right == index.end()) continue;
      if (budget < token.size()) {
        throw Error(ErrorKind::kVerification,
                    "reading " + what +
                        ": its tokens are made of each other in far more ways than in any real "
                        "vocabulary; the file is damaged or hostile");
      }
      budget -= token.size();
      splits.push_back({static_cast<uint32_t>(i), left->second, right->second});
    }
  }
  return splits;
}

}  // namespace gptq
