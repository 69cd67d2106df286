// The memory of cached keys and values, in pages. Ownership of pages: generate/kv_pool.h.
#pragma once

#include <cstdint>
#include <vector>

#include "backend/backend.h"
#include "model/architecture.h"

namespace gptq::model {

class KvCache {
 public:
  static constexpr int64_t kPageSize = 32;  // positions

  struct Layer {
    Matrix keys, values;  // [pages · kPageSize, Hkv·D], of the activations' type
  };

  KvCache() = default;
  KvCache(const Architecture& a, Backend& backend, int64_t pages);

  int64_t pages() const { return pages_; }
  const Layer& layer(int64_t index) const { return layers_[static_cast<size_t>(index)]; }

  // Copies `count` pages, from page `from` of this or another cache of the same model, to page `to`.
  void copy_pages(int64_t to, const KvCache& source, int64_t from, int64_t count, Backend& backend);

  static int64_t pages_for(int64_t positions) { return (positions + kPageSize - 1) / kPageSize; }

 private:
  std::vector<Layer> layers_;
  int64_t pages_ = 0;
};

}  // namespace gptq::model
