// The tokens of several sequences in one forward pass.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "backend/batch_rows.h"

namespace gptq::model {

// A ragged batch: rows of S sequences, each with its own number of rows and of earlier positions. Not copyable: rows()
// refers to its memory.
class Batch {
 public:
  Batch() = default;
  Batch(Batch&&) = default;
  Batch& operator=(Batch&&) = default;

  // Appends a sequence's next tokens, at the positions from `past` on. `pages` are the cache pages of its positions,
  // including the new ones; empty for a batch without a cache, where `past` must be 0. Either all sequences of a batch
  // have pages or none.
  void add(std::span<const int> tokens, int64_t past = 0, std::span<const int32_t> pages = {});

  int64_t sequences() const { return static_cast<int64_t>(past_.size()); }
  int64_t size() const { return static_cast<int64_t>(tokens_.size()); }  // M
  std::span<const int> tokens() const { return tokens_; }                // [M]

  // Copies the layout to the backend's memory. Call after all sequences were added.
  void upload(Backend& backend);
  // Valid after upload() until the batch is changed or destroyed.
  const BatchRows& rows() const { return rows_; }

 private:
  std::vector<int> tokens_;
  std::vector<int32_t> row_starts_ = {0}, past_;
  std::vector<std::vector<int32_t>> pages_;
  Matrix layout_, page_table_;
  BatchRows rows_;
};

}  // namespace gptq::model
