// Keys and values of the sequences that a model is running, in pages.
#pragma once

#include <cstdint>
#include <vector>

#include "backend/backend.h"
#include "model/architecture.h"

namespace gptq {

// Room for `capacity` positions of each of S sequences. Owned by whoever runs the sequences.
class KvCache {
 public:
  static constexpr int64_t kPageSize = 32;  // positions

  struct Layer {
    Matrix keys, values;  // [S·P·kPageSize, Hkv·D]
  };

  KvCache() = default;
  KvCache(const Architecture& a, Backend& backend, int64_t sequences, int64_t capacity);

  int64_t sequences() const { return static_cast<int64_t>(lengths_.size()); }
  int64_t capacity() const { return capacity_; }
  int64_t length(int64_t sequence) const { return lengths_[static_cast<size_t>(sequence)]; }
  void set_length(int64_t sequence, int64_t length);  // fewer forgets positions, more says they have been filled

  const Layer& layer(int64_t index) const { return layers_[static_cast<size_t>(index)]; }
  PageTable pages() const { return {pages_.view(), kPageSize}; }
  PageTable pages(int64_t sequence) const { return {pages_.view().row_range(sequence, 1), kPageSize}; }

  // The filled positions of `from`, whose sequences are the same and whose capacity is not larger.
  void copy_from(const KvCache& from, Backend& backend);

 private:
  std::vector<Layer> layers_;
  Matrix pages_;  // I32 [S, P]
  int64_t capacity_ = 0;
  std::vector<int64_t> lengths_;  // [S] positions filled
};

}  // namespace gptq
