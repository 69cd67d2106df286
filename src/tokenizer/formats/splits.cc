// Looks up every prefix of a token and the rest of it, with limits on the time that malicious files can take.
#include "tokenizer/formats/splits.h"

#include <algorithm>
#include <bit>

#include <gptq/error.h>

namespace gptq::tokenizer {

namespace {

constexpr size_t kMaxTokenBytes = 1024;  // bytes; the longest tokens of known vocabularies are runs of 128 spaces
constexpr uint32_t kNone = UINT32_MAX;

// Total bytes of all merges; vocabularies of 262,144 tokens have 10 MB.
size_t merge_budget(size_t token_bytes) { return (size_t{16} << 20) + 32 * token_bytes; }

// FNV-1a: the hash of a prefix is an intermediate value of the hash of the whole.
struct Hash {
  uint64_t value = 0xCBF29CE484222325ULL;
  void add(char byte) { value = (value ^ static_cast<unsigned char>(byte)) * 0x100000001B3ULL; }
  void add(std::string_view bytes) {
    for (const char byte : bytes) add(byte);
  }
};

// Open addressing; of equal tokens the first one is used.
class TokenIndex {
 public:
  explicit TokenIndex(const std::vector<std::string>& tokens)
      : tokens_(tokens), slots_(std::bit_ceil(std::max<size_t>(16, 2 * tokens.size()))) {
    for (size_t i = 0; i < tokens.size(); ++i) {
      Hash hash;
      hash.add(tokens[i]);
      Slot& slot = slots_[slot_of(tokens[i], hash)];
      if (slot.token == kNone) slot = {tag_of(hash), static_cast<uint32_t>(i)};
    }
  }

  uint32_t find(std::string_view token, Hash hash) const { return slots_[slot_of(token, hash)].token; }

 private:
  struct Slot {
    uint32_t tag = 0;
    uint32_t token = kNone;
  };
  static uint32_t tag_of(Hash hash) { return static_cast<uint32_t>(hash.value); }

  // The slot of the token, or where it would be.
  size_t slot_of(std::string_view token, Hash hash) const {
    size_t slot = hash.value * 0x9E3779B97F4A7C15ULL >> 32 & (slots_.size() - 1);
    while (slots_[slot].token != kNone && (slots_[slot].tag != tag_of(hash) || tokens_[slots_[slot].token] != token)) {
      slot = (slot + 1) & (slots_.size() - 1);
    }
    return slot;
  }

  const std::vector<std::string>& tokens_;
  std::vector<Slot> slots_;
};

}  // namespace

std::vector<Split> all_splits(const std::vector<std::string>& tokens, bool by_characters, const std::string& what) {
  size_t total = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    total += tokens[i].size();
    if (tokens[i].size() <= kMaxTokenBytes) continue;
    throw Error(ErrorKind::kVerification, "reading " + what + ": token " + std::to_string(i) + " has " +
                                              std::to_string(tokens[i].size()) + " bytes, expected at most " +
                                              std::to_string(kMaxTokenBytes));
  }
  const TokenIndex index(tokens);
  size_t budget = merge_budget(total);
  std::vector<Split> splits;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const std::string_view token = tokens[i];
    Hash left_hash;
    for (size_t cut = 1; cut < token.size(); ++cut) {
      left_hash.add(token[cut - 1]);
      if (by_characters && (token[cut] & 0xC0) == 0x80) continue;
      const uint32_t left = index.find(token.substr(0, cut), left_hash);
      if (left == kNone) continue;
      Hash right_hash;
      right_hash.add(token.substr(cut));
      const uint32_t right = index.find(token.substr(cut), right_hash);
      if (right == kNone) continue;
      if (budget < token.size()) {
        throw Error(ErrorKind::kVerification,
                    "reading " + what +
                        ": its tokens can be split in far more ways than those of any real "
                        "vocabulary; the file is damaged or malicious");
      }
      budget -= token.size();
      splits.push_back({static_cast<uint32_t>(i), left, right});
    }
  }
  return splits;
}

}  // namespace gptq::tokenizer
