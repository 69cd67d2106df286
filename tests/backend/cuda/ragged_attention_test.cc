// The two kernels for the rows of a ragged batch against plain loops in double precision: prefill for any number of rows, decode
// for the few that kMaxDecodeRows allows.
#include "tests/backend/cuda/attention_fixture.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <random>

namespace gptq::backend::cuda {
namespace {

class CudaRaggedAttention : public CudaAttention {
 protected:
  struct Case {
    Heads heads;
    std::vector<int32_t> queries, past;  // of each sequence
    int64_t window;
    int page_size;  // 0: without pages, and nothing in front
  };

  void run(const Case& c) {
    std::string trace = "H " + std::to_string(c.heads.heads) + "/" + std::to_string(c.heads.kv_heads) + " window " +
                        std::to_string(c.window) + " page size " + std::to_string(c.page_size) + " T, past";
    const int sequences = static_cast<int>(c.queries.size());
    std::vector<int32_t> starts = {0};
    int64_t longest = 0;
    for (size_t s = 0; s < c.queries.size(); ++s) {
      trace += " " + std::to_string(c.queries[s]) + ", " + std::to_string(c.past[s]);
      starts.push_back(starts.back() + c.queries[s]);
      longest = std::max<int64_t>(longest, c.past[s] + c.queries[s]);
    }
    SCOPED_TRACE(trace);
    const int64_t d = head_dim(), width = c.heads.heads * d, kv_width = c.heads.kv_heads * d;
    const Pages pages = c.page_size > 0 ? shuffled_pages(sequences, longest + 5, c.page_size) : Pages{};
    const auto row_of = [&](int64_t s, int64_t j) {
      return c.page_size > 0 ? pages.row(s, j) : starts[static_cast<size_t>(s)] + j;
    };
    const int64_t rows = starts.back(), kv_rows = c.page_size > 0 ? pages.rows() : rows;

    // Columns of wider matrices; rows of no visible key are poison.
    constexpr int64_t kMargin = 32;
    Array q = array(rows, width + 2 * kMargin, 1);
    const Array keys_source = array(kv_rows, kv_width + 8, 2), values_source = array(kv_rows, kv_width + 8, 3);
    Array keys = poisoned(kv_rows, kv_width + 8), values = poisoned(kv_rows, kv_width + 8);
    for (int64_t s = 0; s < sequences; ++s) {
      for (int64_t j = 0; j < c.past[static_cast<size_t>(s)] + c.queries[static_cast<size_t>(s)]; ++j) {
        const int64_t at = row_of(s, j) * keys.stride;
        std::copy_n(keys_source.host.data() + at, keys.stride, keys.host.data() + at);
        std::copy_n(values_source.host.data() + at, keys.stride, values.host.data() + at);
      }
    }
    Array out = poisoned(rows, width + 2 * kMargin);
    for (const Array* a : {&q, &keys, &values, &out}) upload(*a);
    const Buffer table = on_device(pages.table.empty() ? std::vector<int32_t>{0} : pages.table);
    const Buffer device_starts = on_device(starts), device_past = on_device(c.past);

    PrefillProblem problem;
    problem.dtype = dtype();
    problem.out = out.device.as<uint16_t>() + kMargin;
    problem.out_stride = out.stride;
    problem.q = q.device.as<uint16_t>() + kMargin;
    problem.q_stride = q.stride;
    problem.kv = {keys.device.as(),   values.device.as(), keys.stride, c.page_size > 0 ? table.as<int32_t>() : nullptr,
                  pages.per_sequence, pages.size};
    problem.rows = {device_starts.as<int32_t>(), device_past.as<int32_t>(), sequences};
    problem.max_rows = *std::max_element(c.queries.begin(), c.queries.end());
    problem.max_keys = longest;
    problem.shape = {c.heads.heads, c.heads.kv_heads, head_dim(), 2.0f / std::sqrt(static_cast<float>(head_dim())), 0,
                     c.window};
    const auto check = [&](const char* what, const std::function<void()>& launch) {
      launch();
      const std::vector<uint16_t> result = download(out);
      launch();
      ASSERT_EQ(std::memcmp(result.data(), download(out).data(), 2 * result.size()), 0) << "not the same bits twice";
      upload(out);  // the poison
      for (int64_t row = 0; row < out.rows; ++row) {
        const uint16_t* got = result.data() + row * out.stride;
        for (int64_t i = 0; i < kMargin; ++i) {
          ASSERT_EQ(got[i], kNaN) << "left margin of row " << row << " was written";
          ASSERT_EQ(got[kMargin + width + i], kNaN) << "right margin of row " << row << " was written";
        }
        const int64_t s = std::upper_bound(starts.begin(), starts.end(), row) - starts.begin() - 1;
        const int64_t i = row - starts[static_cast<size_t>(s)], position = c.past[static_cast<size_t>(s)] + i;
        for (int h = 0; h < c.heads.heads; ++h) {
          const int64_t kv_col = h / (c.heads.heads / c.heads.kv_heads) * d;
          std::vector<double> query;
          for (int64_t col = 0; col < d; ++col) query.push_back(value(q.row(row)[kMargin + h * d + col]));
          std::vector<const uint16_t*> seen_keys, seen_values;
          for (int64_t j = first_in_sight(position, c.window); j <= position; ++j) {
            seen_keys.push_back(keys.row(row_of(s, j)) + kv_col);
            seen_values.push_back(values.row(row_of(s, j)) + kv_col);
          }
          expect_row(what, plain_row(query, {}, seen_keys, seen_values, problem.shape.scale), got + kMargin + h * d,
                     "sequence " + std::to_string(s) + " query " + std::to_string(i) + " head " + std::to_string(h));
          if (HasFatalFailure()) return;
        }
      }
    };
    check("prefill attention", [&] { launch_prefill_attention(*context_, problem); });
    if (c.page_size == 0 || problem.max_rows > kMaxDecodeRows) return;
    for (const int query_rows : {16, 32}) {
      if (query_rows == 32 && (head_dim() > 128 || problem.max_rows == 1)) continue;
      RaggedDecodeAttention decode;
      static_cast<AttentionProblem&>(decode) = problem;
      decode.q = problem.q;
      decode.q_stride = problem.q_stride;
      decode.rows = problem.rows;
      decode.batch = sequences;
      decode.max_rows = static_cast<int>(problem.max_rows);
      decode.query_rows = query_rows;
      const DecodeAttentionPlan plan =
          plan_decode_attention(*context_, sequences, problem.shape, decode.max_rows, longest);
      decode.splits = plan.splits;
      const Buffer workspace = on_device(std::vector<float>(2 * plan.workspace_floats, NAN));
      const Buffer counters = on_device(std::vector<unsigned>(static_cast<size_t>(plan.counters), 0));
      decode.workspace = workspace.as<float>();
      decode.counters = counters.as<unsigned>();
      check(query_rows == 16 ? "decode attention, 16 queries" : "decode attention, 32 queries",
            [&] { launch_decode_attention(*context_, decode); });
    }
  }
};

TEST_P(CudaRaggedAttention, EqualsPlainLoops) {
  constexpr Heads kHeads[] = {{1, 1}, {4, 4}, {6, 2}, {8, 1}};
  constexpr int kPageSizes[] = {0, 16, 0, 64, 1};
  int count = 0;
  for (const int32_t queries : {1, 2, 5, 8, 63, 64, 65, 130, 300}) {
    for (const int32_t past : {0, 1, 17, 200}) {
      for (const int64_t window : {0, 1, 8, 100}) {
        const size_t n = static_cast<size_t>(count++);  // strides that have no factor in common
        if (!has_turn(static_cast<int>(n / 2))) continue;
        const int page_size = past == 0 ? kPageSizes[n % 5] : std::max(kPageSizes[n % 5], 1);
        if (n % 3 != 0 || queries == 300) {
          run({kHeads[n % 4], {queries}, {past}, window, page_size});
        } else {
          run({kHeads[n % 4], {queries, 1 + queries / 3, queries}, {past, 0, past / 2}, window, page_size});
        }
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST_P(CudaRaggedAttention, ManySharesOfALongSequence) {
  run({{8, 1}, {8}, {3000}, 0, 64});
  run({{6, 2}, {8, 3, 8}, {2000, 1, 700}, 0, 16});
  run({{8, 2}, {7, 8}, {1900, 64}, 1000, 64});
}

INSTANTIATE_TEST_SUITE_P(Types, CudaRaggedAttention, testing::ValuesIn(types_and_sizes()), name_of_case);

}  // namespace
}  // namespace gptq::backend::cuda
