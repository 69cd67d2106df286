// Pages are handed out once, each sequence's in order.
#include "model/kv_cache.h"

#include <algorithm>
#include <numeric>

namespace gptq {

KvCache::KvCache(const Architecture& a, Backend& backend, int64_t sequences, int64_t capacity)
    : lengths_(static_cast<size_t>(sequences), 0) {
  const int64_t pages = std::max<int64_t>(1, (capacity + kPageSize - 1) / kPageSize);
  capacity_ = pages * kPageSize;
  pages_ = backend.allocate(DType::kI32, sequences, pages);
  std::vector<int32_t> table(static_cast<size_t>(sequences * pages));
  std::iota(table.begin(), table.end(), 0);
  backend.upload(pages_.view(), table);
  const int64_t rows = sequences * capacity_, width = a.kv_heads * a.head_dim;
  for (int64_t i = 0; i < a.layers; ++i) {
    layers_.push_back({backend.allocate(backend.activation_dtype(), rows, width),
                       backend.allocate(backend.activation_dtype(), rows, width)});
  }
}

void KvCache::set_length(int64_t sequence, int64_t length) {
  CHECK(length >= 0 && length <= capacity_);
  lengths_[static_cast<size_t>(sequence)] = length;
}

void KvCache::copy_from(const KvCache& from, Backend& backend) {
  CHECK(sequences() == from.sequences() && capacity_ >= from.capacity_);
  for (int64_t s = 0; s < sequences(); ++s) {
    const int64_t count = from.length(s), to_row = s * capacity_, from_row = s * from.capacity_;
    for (size_t i = 0; i < layers_.size(); ++i) {
      const Layer &to = layers_[i], &source = from.layers_[i];
      backend.copy(to.keys.view().row_range(to_row, count), source.keys.view().row_range(from_row, count));
      backend.copy(to.values.view().row_range(to_row, count), source.values.view().row_range(from_row, count));
    }
    set_length(s, count);
  }
}

}  // namespace gptq
