// Division of matrices into tasks. Tasks depend on sizes only, never on the number of threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

#include "core/threads.h"

namespace gptq::backend::cpu_gptq {

struct Tile {
  int64_t row, rows, column, columns;
};

inline std::vector<Tile> tiles(int64_t rows, int64_t columns, int64_t row_step, int64_t column_step) {
  std::vector<Tile> result;
  for (int64_t row = 0; row < rows; row += row_step) {
    for (int64_t column = 0; column < columns; column += column_step) {
      result.push_back({row, std::min(row_step, rows - row), column, std::min(column_step, columns - column)});
    }
  }
  return result;
}

// The square tiles on and below the diagonal of rows and columns [begin, size).
inline std::vector<Tile> lower_tiles(int64_t begin, int64_t size, int64_t step) {
  std::vector<Tile> result;
  for (int64_t row = begin; row < size; row += step) {
    for (int64_t column = begin; column <= row; column += step) {
      result.push_back({row, std::min(step, size - row), column, std::min(step, size - column)});
    }
  }
  return result;
}

inline void for_tiles(const std::vector<Tile>& list, ThreadPool& pool, const std::function<void(const Tile&)>& body) {
  pool.parallel_for(static_cast<int64_t>(list.size()), [&](int64_t index) { body(list[static_cast<size_t>(index)]); });
}

// body(begin, end) for blocks of [0, count)
inline void for_blocks(int64_t count, int64_t step, ThreadPool& pool,
                       const std::function<void(int64_t, int64_t)>& body) {
  pool.parallel_for((count + step - 1) / step,
                    [&](int64_t index) { body(index * step, std::min(count, (index + 1) * step)); });
}

}  // namespace gptq::backend::cpu_gptq
