// A compact trie of many strings, matched byte by byte at a position of a text.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

namespace gptq::tokenizer {

// Nodes are stored in breadth-first order, so the children of a node are adjacent and their bytes can be searched at
// once. Immutable and thread-safe.
class PieceTrie {
 public:
  using Entry = std::pair<std::string_view, int>;  // a string and its value, which is not negative
  static constexpr uint32_t kRoot = 0;
  static constexpr uint32_t kNone = UINT32_MAX;

  PieceTrie() : PieceTrie(std::vector<Entry>{}) {}
  explicit PieceTrie(std::vector<Entry> entries);  // copies what it needs; of equal strings the first one is used

  uint32_t child(uint32_t node, char byte) const {
    if (node == kRoot) return roots_[static_cast<unsigned char>(byte)];
    const uint32_t first = children_[node];
    const void* found = std::memchr(bytes_.data() + first, byte, children_[node + 1] - first);
    return found == nullptr ? kNone : static_cast<uint32_t>(static_cast<const char*>(found) - bytes_.data());
  }
  size_t max_string_bytes() const { return max_string_bytes_; }  // in bytes
  int value(uint32_t node) const { return values_[node]; }       // -1 where no string ends

  bool may_start(char byte) const { return roots_[static_cast<unsigned char>(byte)] != kNone; }

  // Value and size of the longest non-empty string that matches at `position`; value -1 for none.
  std::pair<int, size_t> longest_match(std::string_view text, size_t position) const;

 private:
  std::array<uint32_t, 256> roots_;
  std::vector<char> bytes_;         // by node: the byte on the edge to it
  std::vector<uint32_t> children_;  // by node: its first child; the first child of the next node ends the list
  std::vector<int> values_;
  size_t max_string_bytes_ = 0;
};

}  // namespace gptq::tokenizer
