// Sequences with pages of their own in one cache, for tests of the model without a pool.
#pragma once

#include <numeric>
#include <vector>

#include "model/model.h"

namespace gptq::testing {

// S sequences of up to `capacity` positions; page tables in order.
class CachedSequences {
 public:
  CachedSequences(model::Model& model, int64_t sequences, int64_t capacity)
      : model_(model),
        pages_per_sequence_(model::KvCache::pages_for(capacity)),
        cache_(model.make_cache(sequences * pages_per_sequence_)),
        lengths_(static_cast<size_t>(sequences), 0) {}

  const model::KvCache& cache() const { return cache_; }
  int64_t capacity() const { return pages_per_sequence_ * model::KvCache::kPageSize; }
  std::vector<int32_t> pages(int64_t sequence) const {
    std::vector<int32_t> pages(static_cast<size_t>(pages_per_sequence_));
    std::iota(pages.begin(), pages.end(), static_cast<int32_t>(sequence * pages_per_sequence_));
    return pages;
  }

  // Runs tokens behind those of a sequence; logits of the last `wanted`           [wanted, V]
  backend::MatrixView forward(std::span<const int> tokens, int64_t wanted, int64_t sequence = 0) {
    int64_t& length = lengths_[static_cast<size_t>(sequence)];
    model::Batch batch;
    batch.add(tokens, length, pages(sequence));
    length += static_cast<int64_t>(tokens.size());
    std::vector<int> rows(static_cast<size_t>(wanted));
    std::iota(rows.begin(), rows.end(), static_cast<int>(tokens.size()) - static_cast<int>(wanted));
    return model_.forward(batch, rows, cache_);
  }

 private:
  model::Model& model_;
  int64_t pages_per_sequence_;
  model::KvCache cache_;
  std::vector<int64_t> lengths_;
};

}  // namespace gptq::testing
