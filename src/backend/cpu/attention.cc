// Attention by tiles of 64 queries of one head: scores with SGEMM, softmax in place, values with SGEMM.
//
// One query (decoding) skips the BLAS: its cost is reading the cache once. Work is split over heads and tiles,
// with the same tiles for any number of threads, so results do not depend on it.
#include "backend/cpu/attention.h"

#include <algorithm>
#include <vector>

#include "backend/cpu/blas.h"
#include "backend/cpu/kernels.h"

namespace gptq {

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

int64_t first_visible(const AttentionArgs& args, int64_t query) {
  return args.window > 0 ? std::max<int64_t>(0, args.past + query - args.window + 1) : 0;
}

// Calls body(first position, count, row of keys and values) for runs of positions that follow each other in memory.
template <typename Body>
void for_each_run(const AttentionArgs& args, int64_t sequence, int64_t begin, int64_t end, const Body& body) {
  if (args.pages == nullptr) {
    body(begin, end - begin, sequence * (args.past + args.q.rows / args.sequences) + begin);
    return;
  }
  for (int64_t position = begin; position < end;) {
    // Page after page, not position after position: this is in the way of every decoded token.
    const int64_t page_size = args.pages->page_size, row = cache_row(*args.pages, sequence, position);
    int64_t count = page_size - position % page_size;
    while (position + count < end && cache_row(*args.pages, sequence, position + count) == row + count) {
      count += page_size;
    }
    count = std::min(count, end - position);
    body(position, count, row);
    position += count;
  }
}

void run_tile(MatrixView out, const AttentionArgs& args, const Tile& tile) {
  thread_local std::vector<float> scores;  // [kTileQueries, keys in sight]
  const Kernels& kernels = best_kernels();
  const int64_t d = args.head_dim;
  const int64_t q_column = tile.head * d, kv_column = tile.head / (args.heads / args.kv_heads) * d;
  const int64_t q_row = tile.sequence * (args.q.rows / args.sequences) + tile.begin;
  const int64_t first = first_visible(args, tile.begin);
  const int64_t last = args.past + tile.begin + tile.count;  // one past the last key in sight
  const int64_t width = last - first;
  scores.resize(static_cast<size_t>(tile.count * width));

  for_each_run(args, tile.sequence, first, last, [&](int64_t position, int64_t count, int64_t row) {
    const float* keys = args.keys.row(row) + kv_column;
    float* result = scores.data() + position - first;
    if (tile.count == 1) {
      for (int64_t j = 0; j < count; ++j) {
        result[j] = kernels.dot_f32(args.q.row(q_row) + q_column, keys + j * args.keys.stride, d);
      }
    } else {
      blas().sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, static_cast<int>(tile.count), static_cast<int>(count),
                   static_cast<int>(d), 1.0f, args.q.row(q_row) + q_column, static_cast<int>(args.q.stride), keys,
                   static_cast<int>(args.keys.stride), 0.0f, result, static_cast<int>(width));
    }
  });
  for (int64_t i = 0; i < tile.count; ++i) {
    float* row = scores.data() + i * width;
    const int64_t begin = first_visible(args, tile.begin + i) - first;
    const int64_t end = args.past + tile.begin + i + 1 - first;
    const float total = kernels.softmax_exp(row + begin, end - begin, args.scale);
    kernels.scale(row + begin, end - begin, 1.0f / total);
    std::fill(row, row + begin, 0.0f);
    std::fill(row + end, row + width, 0.0f);
  }
  if (tile.count == 1) std::fill_n(out.row(q_row) + q_column, d, 0.0f);
  for_each_run(args, tile.sequence, first, last, [&](int64_t position, int64_t count, int64_t row) {
    const float* values = args.values.row(row) + kv_column;
    const float* weights = scores.data() + position - first;
    float* result = out.row(q_row) + q_column;
    if (tile.count == 1) {
      for (int64_t j = 0; j < count; ++j) kernels.axpy(result, values + j * args.values.stride, d, weights[j]);
    } else {
      blas().sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, static_cast<int>(tile.count), static_cast<int>(d),
                   static_cast<int>(count), 1.0f, weights, static_cast<int>(width), values,
                   static_cast<int>(args.values.stride), position == first ? 0.0f : 1.0f, result,
                   static_cast<int>(out.stride));
    }
  });
}

}  // namespace

void cpu_attention(MatrixView out, const AttentionArgs& args, ThreadPool& pool) {
  std::vector<Tile> tiles;
  const int64_t queries = args.q.rows / args.sequences;
  for (int64_t begin = 0; begin < queries; begin += kTileQueries) {
    for (int64_t s = 0; s < args.sequences; ++s) {
      for (int h = 0; h < args.heads; ++h) tiles.push_back({s, h, begin, std::min(kTileQueries, queries - begin)});
    }
  }
  std::reverse(tiles.begin(), tiles.end());  // the late, long tiles first: better balance at the end
  pool.parallel_for(static_cast<int64_t>(tiles.size()),
                    [&](int64_t i) { run_tile(out, args, tiles[static_cast<size_t>(i)]); });
}

}  // namespace gptq
