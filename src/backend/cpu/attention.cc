// Attention with two kinds of tasks, divided in the same way for any number of threads and any other sequences in the batch,
// so that results depend on neither.
//
//   one query   all heads together, over blocks of 128 positions whose results are combined in order
//   several     tiles of 64 queries of one head: scores with SGEMM, softmax in place, values with SGEMM
#include "backend/cpu/attention.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <utility>
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

void run_tile(MatrixView out, const AttentionArgs& args, const BatchRows& rows, const Tile& tile) {
  thread_local std::vector<float> scores, gathered;
  const int64_t d = args.head_dim;
  const int64_t q_column = tile.head * d, kv_column = tile.head / (args.heads / args.kv_heads) * d;
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

// ---- one query

constexpr int64_t kBlockPositions = 128;
// All heads are processed for so many positions before the next ones: rows are then read in the order of their addresses.
constexpr int64_t kChunkPositions = 8;

// All heads of one query, over a block of positions.
struct Block {
  int64_t sequence = 0, query = 0;  // query: row of the sequence
  int64_t begin = 0, end = 0;
};

// Σ weight · value and Σ weight of each head, with weights relative to the largest score.
struct Partial {
  std::vector<float> out;           // [H·D]
  std::vector<float> largest, sum;  // [H]
};

// Calls body(key head, position, count, pointer to the head's part of the first row) for chunks of positions that are
// contiguous in memory. The next chunk is prefetched meanwhile: no hardware prefetcher follows this order.
template <typename Body>
void for_each_chunk(MatrixView from, const AttentionArgs& args, const BatchRows& rows, const Block& b,
                    const Body& body) {
  struct Chunk {
    int64_t position, count, row;
  };
  std::array<Chunk, kBlockPositions> chunks;
  size_t size = 0;
  for_each_run(rows, b.sequence, b.begin, b.end, [&](int64_t position, int64_t count, int64_t row) {
    for (int64_t done = 0; done < count; done += kChunkPositions) {
      chunks[size++] = {position + done, std::min(kChunkPositions, count - done), row + done};
    }
  });
  constexpr int64_t kLine = 64 / sizeof(float);
  for (size_t i = 0; i < size; ++i) {
    for (int head = 0; head < args.kv_heads; ++head) {
      const int64_t column = head * args.head_dim;
      for (int64_t row = 0; i + 1 < size && row < chunks[i + 1].count; ++row) {
        const float* next = from.row(chunks[i + 1].row + row) + column;
        for (int64_t at = 0; at < args.head_dim; at += kLine) __builtin_prefetch(next + at, 0, 2);
      }
      body(head, chunks[i].position, chunks[i].count, from.row(chunks[i].row) + column);
    }
  }
}

void run_block(Partial& partial, const AttentionArgs& args, const BatchRows& rows, const Block& b) {
  thread_local std::vector<float> scores;  // [H, positions]
  const Kernels& kernels = best_kernels();
  const int64_t d = args.head_dim, group = args.heads / args.kv_heads, width = b.end - b.begin;
  const float* query = args.q.row(rows.begin(b.sequence) + b.query);
  scores.resize(static_cast<size_t>(args.heads * width));
  for_each_chunk(args.keys, args, rows, b, [&](int head, int64_t position, int64_t count, const float* keys) {
    float* to = scores.data() + head * group * width + (position - b.begin);
    kernels.attention_scores(to, width, query + head * group * d, group, keys, args.keys.stride, count, d);
  });
  partial.largest.resize(static_cast<size_t>(args.heads));
  partial.sum.resize(static_cast<size_t>(args.heads));
  for (int64_t h = 0; h < args.heads; ++h) {
    float* row = scores.data() + h * width;
    if (args.soft_cap > 0) kernels.soft_cap(row, width, args.scale, args.soft_cap);
    kernels.attention_softmax(row, width, args.soft_cap > 0 ? 1.0f : args.scale,
                              &partial.largest[static_cast<size_t>(h)], &partial.sum[static_cast<size_t>(h)]);
  }
  partial.out.assign(static_cast<size_t>(args.heads * d), 0.0f);
  for_each_chunk(args.values, args, rows, b, [&](int head, int64_t position, int64_t count, const float* values) {
    const float* weights = scores.data() + head * group * width + (position - b.begin);
    kernels.attention_values(partial.out.data() + head * group * d, weights, width, group, values, args.values.stride,
                             count, d);
  });
}

// out = Σ_b e^(largest_b − largest) · out_b / Σ_b e^(largest_b − largest) · sum_b                       of head h
void combine(float* out, std::span<const Partial> partials, int64_t h, int64_t d) {
  const auto i = static_cast<size_t>(h);
  float largest = partials[0].largest[i], sum = 0;
  for (const Partial& partial : partials) largest = std::max(largest, partial.largest[i]);
  std::fill_n(out, d, 0.0f);
  for (const Partial& partial : partials) {
    const float factor = std::exp(partial.largest[i] - largest);
    sum += factor * partial.sum[i];
    best_kernels().axpy(out, partial.out.data() + h * d, d, factor);
  }
  best_kernels().scale(out, d, 1.0f / sum);
}

// Attends the queries (sequence, row) that are alone in their tiles.
void attend_single(MatrixView out, const AttentionArgs& args, const BatchRows& rows,
                   std::span<const std::pair<int64_t, int64_t>> queries, ThreadPool& pool) {
  std::vector<Block> blocks;
  std::vector<size_t> starts;  // of the blocks of each query, and the end
  for (const auto& [sequence, query] : queries) {
    const int64_t last = rows.past_of(sequence) + query + 1, first = first_visible(args, last - 1);
    starts.push_back(blocks.size());
    for (int64_t begin = first; begin < last; begin += kBlockPositions) {
      blocks.push_back({sequence, query, begin, std::min(last, begin + kBlockPositions)});
    }
  }
  starts.push_back(blocks.size());
  std::vector<Partial> partials(blocks.size());
  pool.parallel_for(static_cast<int64_t>(blocks.size()), [&](int64_t i) {
    run_block(partials[static_cast<size_t>(i)], args, rows, blocks[static_cast<size_t>(i)]);
  });
  const int64_t group = args.heads / args.kv_heads;
  pool.parallel_for(static_cast<int64_t>(queries.size()) * args.kv_heads, [&](int64_t task) {
    const auto i = static_cast<size_t>(task / args.kv_heads);
    const auto parts = std::span(partials).subspan(starts[i], starts[i + 1] - starts[i]);
    float* to = out.row(rows.begin(queries[i].first) + queries[i].second);
    const int64_t first = task % args.kv_heads * group;
    for (int64_t h = first; h < first + group; ++h) combine(to + h * args.head_dim, parts, h, args.head_dim);
  });
}

}  // namespace

void cpu_attention(MatrixView out, const AttentionArgs& args, const BatchRows& rows, ThreadPool& pool) {
  std::vector<Tile> tiles;
  std::vector<std::pair<int64_t, int64_t>> single;
  int64_t most = 0;
  for (int64_t s = 0; s < rows.sequences(); ++s) most = std::max(most, rows.rows_of(s));
  for (int64_t begin = 0; begin < most; begin += kTileQueries) {
    for (int64_t s = 0; s < rows.sequences(); ++s) {
      const int64_t count = std::min(kTileQueries, rows.rows_of(s) - begin);
      if (count == 1) single.emplace_back(s, begin);
      for (int h = 0; count > 1 && h < args.heads; ++h) tiles.push_back({s, h, begin, count});
    }
  }
  std::reverse(tiles.begin(), tiles.end());  // last tiles first: they are the longest
  pool.parallel_for(static_cast<int64_t>(tiles.size()),
                    [&](int64_t i) { run_tile(out, args, rows, tiles[static_cast<size_t>(i)]); });
  if (!single.empty()) attend_single(out, args, rows, single, pool);
}

}  // namespace gptq::backend
