// Builds the trie level by level from sorted strings.
#include "tokenizer/components/piece_trie.h"

#include <algorithm>

namespace gptq::tokenizer {

PieceTrie::PieceTrie(std::vector<Entry> entries) {
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.first < b.first; });
  for (const Entry& entry : entries) max_string_bytes_ = std::max(max_string_bytes_, entry.first.size());
  struct Range {
    size_t begin, end;  // of the sorted strings that go through this node
    size_t depth;
  };
  std::vector<Range> ranges{{0, entries.size(), 0}};
  bytes_.push_back('\0');
  for (size_t node = 0; node < ranges.size(); ++node) {
    auto [begin, end, depth] = ranges[node];
    const bool ends_here = begin < end && entries[begin].first.size() == depth;
    values_.push_back(ends_here ? entries[begin].second : -1);
    children_.push_back(static_cast<uint32_t>(bytes_.size()));
    while (begin < end && entries[begin].first.size() == depth) ++begin;
    while (begin < end) {
      const char byte = entries[begin].first[depth];
      size_t group = begin;
      while (group < end && entries[group].first[depth] == byte) ++group;
      bytes_.push_back(byte);
      ranges.push_back({begin, group, depth + 1});
      begin = group;
    }
  }
  children_.push_back(static_cast<uint32_t>(bytes_.size()));
  roots_.fill(kNone);
  for (uint32_t node = children_[kRoot]; node < children_[kRoot + 1]; ++node) {
    roots_[static_cast<unsigned char>(bytes_[node])] = node;
  }
}

std::pair<int, size_t> PieceTrie::longest_match(std::string_view text, size_t position) const {
  std::pair<int, size_t> best{-1, 0};
  uint32_t node = kRoot;
  for (size_t size = 0; position + size < text.size();) {
    node = child(node, text[position + size]);
    if (node == kNone) break;
    ++size;
    if (values_[node] >= 0) best = {values_[node], size};
  }
  return best;
}

}  // namespace gptq::tokenizer
