// A ragged batch for the contract tests: its layout in a backend's memory, and caches in pages of random order.
#pragma once

#include <numeric>

#include "backend/batch_rows.h"
#include "tests/backend/cases.h"

namespace gptq::backend {

class RaggedBatch {
 public:
  // Sequence s has lengths[s] rows behind past[s] positions. With a page size, its cache lies in pages of `order`.
  RaggedBatch(Backend& backend, std::vector<int32_t> lengths, std::vector<int32_t> past, int64_t page_size = 0,
              uint32_t order = 1)
      : past_(std::move(past)) {
    for (const int32_t length : lengths) starts_.push_back(starts_.back() + length);
    std::vector<int32_t> layout = starts_;
    layout.insert(layout.end(), past_.begin(), past_.end());
    for (size_t s = 0; s < past_.size(); ++s) {
      for (int32_t i = 0; i < lengths[s]; ++i) layout.push_back(past_[s] + i);
    }
    layout_ = backend.allocate(DType::kI32, 1, static_cast<int64_t>(layout.size()));
    backend.upload(layout_.view(), layout);
    rows_.row_starts = starts_;
    rows_.past = past_;
    rows_.device_row_starts = layout_.view().column_range(0, rows_.sequences() + 1);
    rows_.device_past = layout_.view().column_range(rows_.sequences() + 1, rows_.sequences());
    rows_.positions = layout_.view().column_range(2 * rows_.sequences() + 1, rows_.rows());
    if (page_size == 0) return;
    const int64_t pages = (rows_.longest() + page_size - 1) / page_size;
    table_.resize(static_cast<size_t>(rows_.sequences() * pages));
    std::iota(table_.begin(), table_.end(), 0);
    std::shuffle(table_.begin(), table_.end(), std::mt19937(order));
    page_table_ = backend.allocate(DType::kI32, rows_.sequences(), pages);
    backend.upload(page_table_.view(), table_);
    rows_.pages = {page_table_.view(), page_size};
  }

  // The same pages for other rows: the first past[s] positions of each sequence, as rows.
  RaggedBatch front(Backend& backend) const {
    RaggedBatch batch(backend, past_, std::vector<int32_t>(past_.size(), 0));
    batch.rows_.pages = rows_.pages;
    return batch;
  }

  const BatchRows& rows() const { return rows_; }
  int64_t cache_rows() const { return static_cast<int64_t>(table_.size()) * rows_.pages.page_size; }

 private:
  std::vector<int32_t> starts_ = {0}, past_, table_;
  Matrix layout_, page_table_;
  BatchRows rows_;
};

// Heads, scores and what a batch attends to: q [M, H·D]; k and v hold all positions of each sequence, one sequence after the other.
struct AttentionCase {
  Host q, k, v;
  AttentionArgs args;  // without matrices
};

// Attention of a batch whose earlier positions come from a cache, which is filled here.
inline Host run_attention(Backend& backend, AttentionCase& c, const RaggedBatch& batch) {
  const BatchRows& rows = batch.rows();
  const Placed q(backend, c.q, true), out(backend, c.q.rows, c.q.cols, true);
  AttentionArgs args = c.args;
  args.q = q.view();
  if (!rows.has_cache()) {
    const Placed k(backend, c.k, true), v(backend, c.v, true);
    args.keys = k.view();
    args.values = v.view();
    backend.attention(out.view(), args, rows);
    return out.host();
  }
  const Placed keys(backend, batch.cache_rows(), c.k.cols, true), values(backend, batch.cache_rows(), c.k.cols, true);
  const RaggedBatch front = batch.front(backend);
  for (const auto& [source, cache] : {std::pair<Host*, const Placed*>{&c.k, &keys}, {&c.v, &values}}) {
    Host before(front.rows().rows(), source->cols), now(rows.rows(), source->cols);
    int64_t at = 0;
    for (int64_t s = 0; s < rows.sequences(); ++s) {
      const auto copy = [&](Host& to, int64_t row, int64_t count) {
        std::copy_n(source->values.begin() + at * source->cols, count * source->cols,
                    to.values.begin() + row * source->cols);
        at += count;
      };
      copy(before, front.rows().begin(s), rows.past_of(s));
      copy(now, rows.begin(s), rows.rows_of(s));
    }
    backend.append(cache->view(), Placed(backend, before, false).view(), front.rows());
    backend.append(cache->view(), Placed(backend, now, false).view(), rows);
  }
  args.keys = keys.view();
  args.values = values.view();
  backend.attention(out.view(), args, rows);
  return out.host();
}

}  // namespace gptq::backend
