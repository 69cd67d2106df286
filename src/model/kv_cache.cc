// One pair of matrices for each layer.
#include "model/kv_cache.h"

namespace gptq::model {

KvCache::KvCache(const Architecture& a, Backend& backend, int64_t pages) : pages_(pages) {
  for (int64_t i = 0; i < a.layers; ++i) {
    const int64_t rows = pages * kPageSize, columns = a.program(i).cache_columns();
    layers_.push_back({backend.allocate(backend.activation_dtype(), rows, columns),
                       backend.allocate(backend.activation_dtype(), rows, columns)});
  }
}

void KvCache::copy_pages(int64_t to, const KvCache& source, int64_t from, int64_t count, Backend& backend) {
  const auto rows = [&](const Matrix& matrix, int64_t page) {
    return matrix.view().row_range(page * kPageSize, count * kPageSize);
  };
  for (size_t i = 0; i < layers_.size(); ++i) {
    backend.copy(rows(layers_[i].keys, to), rows(source.layers_[i].keys, from));
    backend.copy(rows(layers_[i].values, to), rows(source.layers_[i].values, from));
  }
}

}  // namespace gptq::model
