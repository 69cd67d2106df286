// Laying out a ragged batch.
#include "model/batch.h"

#include <algorithm>

#include "model/kv_cache.h"

namespace gptq::model {

void Batch::add(std::span<const int> tokens, int64_t past, std::span<const int32_t> pages) {
  const int64_t end = past + static_cast<int64_t>(tokens.size());
  CHECK(past_.empty() || pages_.front().empty() == pages.empty());
  CHECK(pages.empty() ? past == 0 : end <= static_cast<int64_t>(pages.size()) * KvCache::kPageSize);
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  row_starts_.push_back(static_cast<int32_t>(tokens_.size()));
  past_.push_back(static_cast<int32_t>(past));
  pages_.emplace_back(pages.begin(), pages.end());
}

void Batch::upload(Backend& backend) {
  CHECK(!past_.empty());
  const int64_t starts = sequences() + 1;
  std::vector<int32_t> layout = row_starts_;
  layout.insert(layout.end(), past_.begin(), past_.end());
  for (size_t s = 0; s < past_.size(); ++s) {
    for (int32_t i = 0; i < row_starts_[s + 1] - row_starts_[s]; ++i) layout.push_back(past_[s] + i);
  }
  layout_ = backend.allocate(DType::kI32, 1, static_cast<int64_t>(layout.size()));
  backend.upload(layout_.view(), layout);
  rows_ = {};
  rows_.row_starts = row_starts_;
  rows_.past = past_;
  rows_.device_row_starts = layout_.view().column_range(0, starts);
  rows_.device_past = layout_.view().column_range(starts, sequences());
  rows_.positions = layout_.view().column_range(starts + sequences(), size());
  if (pages_.front().empty()) return;
  size_t most = 0;
  for (const std::vector<int32_t>& pages : pages_) most = std::max(most, pages.size());
  std::vector<int32_t> table;
  for (std::vector<int32_t> pages : pages_) {
    pages.resize(most);
    table.insert(table.end(), pages.begin(), pages.end());
  }
  page_table_ = backend.allocate(DType::kI32, sequences(), static_cast<int64_t>(most));
  backend.upload(page_table_.view(), table);
  rows_.pages = {page_table_.view(), KvCache::kPageSize};
}

}  // namespace gptq::model
