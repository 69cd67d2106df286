// A ragged batch: the sequence and position of each row of a matrix.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "backend/matrix.h"

namespace gptq::backend {

// The rows of a cache that hold a sequence: position j of sequence s is row pages[s][j / page_size] · page_size +
// j % page_size.
struct PageTable {
  MatrixView pages;       // I32 [S, P]
  int64_t page_size = 0;  // positions; a power of two
};

// Rows of S sequences, one sequence after the other: rows row_starts[s] … row_starts[s + 1] − 1 are those of sequence
// s, at the positions past[s], past[s] + 1 … Sequences may have different numbers of rows. The format of row pointers
// in FlashInfer and vLLM.
struct BatchRows {
  std::span<const int32_t> row_starts;  // [S + 1], in host memory; begins with 0
  std::span<const int32_t> past;        // [S], in host memory
  // Copies in the backend's memory, I32.
  MatrixView device_row_starts;  // [1, S + 1]
  MatrixView device_past;        // [1, S]
  MatrixView positions;          // [1, M]  of each row
  // Pages of the cache that holds earlier positions. Without data there is no cache, past[s] is always 0, and keys and
  // values are rows of the batch.
  PageTable pages;

  int64_t sequences() const { return static_cast<int64_t>(past.size()); }
  int64_t rows() const { return row_starts.back(); }
  int64_t begin(int64_t s) const { return row_starts[static_cast<size_t>(s)]; }
  int64_t rows_of(int64_t s) const { return row_starts[static_cast<size_t>(s) + 1] - begin(s); }
  int64_t past_of(int64_t s) const { return past[static_cast<size_t>(s)]; }
  bool has_cache() const { return pages.pages.data != nullptr; }
  // Positions of the longest sequence, including its new rows; 0 without sequences.
  int64_t longest() const {
    int64_t most = 0;
    for (int64_t s = 0; s < sequences(); ++s) most = std::max(most, past_of(s) + rows_of(s));
    return most;
  }
};

}  // namespace gptq::backend
