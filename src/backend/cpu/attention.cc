// Attention by tiles of 64 queries of one head: scores with SGEMM, softmax in place, values with SGEMM.
//
// Work is split over heads and tiles of each sequence, with the same tiles for any number of threads and any other
// sequences in the batch, so results depend on neither.
#include "backend/cpu/attention.h"

#include <algorithm>
#include <vector>

#include "backend/cpu/blas.h"
#include "backend/cpu/kernels.h"

namespace gptq::backend {

int64_t cache_row(const PageTable& table, int64_t sequence, int64_t position) {
  const int32_t* pages = reinterpret_cast<const int32_t*>(table.pages.data) + sequence * table.pages.stride;
  return pages[position / table.page_size] * table.page_size + position % table.page_size;
}

namespace {

constexpr int64_t kTileQueries = 64;

struct Tile {
  int64_t sequence = 0;
  int head = 0;
  int64_t begin = 0, count = 0;  // queries
};

// The first position that a query at `position` sees.
int64_t first_visible(const AttentionArgs& args, int64_t position) {
  return args.window > 0 ? std::max<int64_t>(0, position - args.window + 1) : 0;
}

// The row of keys and values that holds a position.
int64_t row_of(const BatchRows& rows, int64_t sequence, int64_t position) {
  return rows.has_cache() ? cache_row(rows.pages, sequence, position) : rows.begin(sequence) + position;
}

// Calls body(first position, count, row of keys and values) for runs of positions that are contiguous in memory.
template <typename Body>
void for_each_run(const BatchRows& rows, int64_t sequence, int64_t begin, int64_t end, const Body& body) {
  if (!rows.has_cache()) return body(begin, end - begin, row_of(rows, sequence, begin));
  const int64_t page_size = rows.pages.page_size;
  for (int64_t position = begin; position < end;) {
    // By page, not by position: this is on the critical path of every decoded token.
    const int64_t row = row_of(rows, sequence, position);
    int64_t count = page_size - position % page_size;
    while (position + count < end && row_of(rows, sequence, position + count) == row + count) count += page_size;
    count = std::min(count, end - position);
    body(position, count, row);
    position += count;
  }
}

// Positions [begin, end) of one head as contiguous rows: those of the cache if contiguous, else a copy. Products over
// them have the same shapes, and so the same results, for any order of the pages.
MatrixView gather(MatrixView from, const BatchRows& rows, const Tile& tile, int64_t begin, int64_t end, int64_t column,
                  int64_t columns, std::vector<float>& memory) {
  MatrixView result{DType::kF32, nullptr, end - begin, columns, from.stride};
  for_each_run(rows, tile.sequence, begin, end, [&](int64_t position, int64_t count, int64_t row) {
    if (count == end - begin) {
      result.data = reinterpret_cast<std::byte*>(from.row(row) + column);
      return;
    }
    if (position == begin) {
      memory.resize(static_cast<size_t>((end - begin) * columns));
      result.data = reinterpret_cast<std::byte*>(memory.data());
      result.stride = columns;
    }
    for (int64_t j = 0; j < count; ++j) {
      std::copy_n(from.row(row + j) + column, columns, result.row(position + j - begin));
    }
  });
  return result;
}

// Converts rows of scores to weights; a row's scores begin with the key at position `first`.
void soften(float* scores, int64_t width, int64_t first, const AttentionArgs& args, int64_t past, const Tile& tile) {
  const Kernels& kernels = best_kernels();
  for (int64_t i = 0; i < tile.count; ++i) {
    float* row = scores + i * width;
    const int64_t position = past + tile.begin + i;
    const int64_t begin = first_visible(args, position) - first, end = position + 1 - first;
    float scale = args.scale;
    if (args.soft_cap > 0) {
      kernels.soft_cap(row + begin, end - begin, args.scale, args.soft_cap);
      scale = 1.0f;
    }
    const float total = kernels.softmax_exp(row + begin, end - begin, scale);
    kernels.scale(row + begin, end - begin, 1.0f / total);
    std::fill(row, row + begin, 0.0f);
    std::fill(row + end, row + width, 0.0f);
  }
}

// A single query, without BLAS: each key and value is read once, in place.
void run_query(MatrixView out, const AttentionArgs& args, const BatchRows& rows, const Tile& tile, int64_t kv_column,
               std::vector<float>& scores) {
  const Kernels& kernels = best_kernels();
  const int64_t d = args.head_dim, q_row = rows.begin(tile.sequence) + tile.begin;
  const int64_t past = rows.past_of(tile.sequence), last = past + tile.begin + 1;
  const int64_t first = first_visible(args, last - 1);
  const float* query = args.q.row(q_row) + tile.head * d;
  float* result = out.row(q_row) + tile.head * d;
  scores.resize(static_cast<size_t>(last - first));
  for_each_run(rows, tile.sequence, first, last, [&](int64_t position, int64_t count, int64_t row) {
    const float* keys = args.keys.row(row) + kv_column;
    for (int64_t j = 0; j < count; ++j) {
      scores[static_cast<size_t>(position - first + j)] = kernels.dot_f32(query, keys + j * args.keys.stride, d);
    }
  });
  soften(scores.data(), last - first, first, args, past, tile);
  std::fill_n(result, d, 0.0f);
  for_each_run(rows, tile.sequence, first, last, [&](int64_t position, int64_t count, int64_t row) {
    const float* values = args.values.row(row) + kv_column;
    for (int64_t j = 0; j < count; ++j) {
      kernels.axpy(result, values + j * args.values.stride, d, scores[static_cast<size_t>(position - first + j)]);
    }
  });
}

void run_tile(MatrixView out, const AttentionArgs& args, const BatchRows& rows, const Tile& tile) {
  thread_local std::vector<float> scores, gathered;
  const int64_t d = args.head_dim;
  const int64_t q_column = tile.head * d, kv_column = tile.head / (args.heads / args.kv_heads) * d;
  if (tile.count == 1) return run_query(out, args, rows, tile, kv_column, scores);
  const int64_t q_row = rows.begin(tile.sequence) + tile.begin, past = rows.past_of(tile.sequence);
  const int64_t first = first_visible(args, past + tile.begin);
  const int64_t last = past + tile.begin + tile.count;  // one past the last visible key
  const int64_t width = last - first;
  scores.resize(static_cast<size_t>(tile.count * width));

  const MatrixView keys = gather(args.keys, rows, tile, first, last, kv_column, d, gathered);
  blas().sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, static_cast<int>(tile.count), static_cast<int>(width),
               static_cast<int>(d), 1.0f, args.q.row(q_row) + q_column, static_cast<int>(args.q.stride), keys.row(0),
               static_cast<int>(keys.stride), 0.0f, scores.data(), static_cast<int>(width));
  soften(scores.data(), width, first, args, past, tile);
  const MatrixView values = gather(args.values, rows, tile, first, last, kv_column, d, gathered);
  blas().sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, static_cast<int>(tile.count), static_cast<int>(d),
               static_cast<int>(width), 1.0f, scores.data(), static_cast<int>(width), values.row(0),
               static_cast<int>(values.stride), 0.0f, out.row(q_row) + q_column, static_cast<int>(out.stride));
}

}  // namespace

void cpu_attention(MatrixView out, const AttentionArgs& args, const BatchRows& rows, ThreadPool& pool) {
  std::vector<Tile> tiles;
  int64_t most = 0;
  for (int64_t s = 0; s < rows.sequences(); ++s) most = std::max(most, rows.rows_of(s));
  for (int64_t begin = 0; begin < most; begin += kTileQueries) {
    for (int64_t s = 0; s < rows.sequences(); ++s) {
      const int64_t count = std::min(kTileQueries, rows.rows_of(s) - begin);
      for (int h = 0; count > 0 && h < args.heads; ++h) tiles.push_back({s, h, begin, count});
    }
  }
  std::reverse(tiles.begin(), tiles.end());  // last tiles first: they are the longest
  pool.parallel_for(static_cast<int64_t>(tiles.size()),
                    [&](int64_t i) { run_tile(out, args, rows, tiles[static_cast<size_t>(i)]); });
}

}  // namespace gptq::backend
