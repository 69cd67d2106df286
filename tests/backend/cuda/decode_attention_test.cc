// The fused decode kernel, with norm, rotation and storing of the new token, against plain loops in double precision.
#include "tests/backend/cuda/attention_fixture.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

namespace gptq::backend::cuda {
namespace {

class CudaDecodeAttention : public CudaAttention {
 protected:
  struct Case {
    Heads heads;
    std::vector<int32_t> positions;
    int64_t window;
    bool norm;
    int page_size;
    int splits;  // 0: as planned
    bool dependent;
  };

  // A value of which the 16-bit rounding depends on the last bits of fp32 arithmetic has slack.
  struct Uncertain {
    double value, slack;
  };
  Uncertain round_about(double x, double slack) const {
    const double middle = rounded(x), low = rounded(x - slack), high = rounded(x + slack);
    return {middle, std::max(high - middle, middle - low)};
  }

  std::vector<Uncertain> norm_and_rotate(const uint16_t* head, const std::vector<float>& weight, double eps,
                                         const float* cosine, const float* sine) const {
    const size_t d = static_cast<size_t>(head_dim()), half = d / 2;
    std::vector<Uncertain> x(d), result(d);
    double squares = 0;
    for (size_t i = 0; i < d; ++i) {
      x[i] = {value(head[i]), 0};
      squares += x[i].value * x[i].value;
    }
    if (!weight.empty()) {
      const double factor = 1 / std::sqrt(squares / static_cast<double>(d) + eps);
      for (size_t i = 0; i < d; ++i) {
        const double y = x[i].value * factor * weight[i];
        x[i] = round_about(y, (static_cast<double>(d) / 2 + 6) * kEps * std::abs(y));
      }
    }
    for (size_t i = 0; i < half; ++i) {
      const double c = cosine[i], s = sine[i];
      const Uncertain a = x[i], b = x[i + half];
      const auto slack = [&](double p, double q) {  // of p·a ± q·b
        return 2 * kEps * (std::abs(p * a.value) + std::abs(q * b.value)) + std::abs(p) * a.slack +
               std::abs(q) * b.slack;
      };
      result[i] = round_about(a.value * c - b.value * s, slack(c, s));
      result[i + half] = round_about(b.value * c + a.value * s, slack(s, c));
    }
    return result;
  }

  void run(const Case& c) {
    std::string trace = "H " + std::to_string(c.heads.heads) + "/" + std::to_string(c.heads.kv_heads) + " window " +
                        std::to_string(c.window) + (c.norm ? " with norm" : "") + " page size " +
                        std::to_string(c.page_size) + " splits " + std::to_string(c.splits) + " positions";
    for (const int32_t position : c.positions) trace += " " + std::to_string(position);
    SCOPED_TRACE(trace);
    const int batch = static_cast<int>(c.positions.size());
    const int64_t d = head_dim(), width = c.heads.heads * d, kv_width = c.heads.kv_heads * d;
    const int64_t longest = *std::max_element(c.positions.begin(), c.positions.end()) + 1;
    const Pages pages = shuffled_pages(batch, longest, c.page_size);

    Array qkv = array(batch, width + 2 * kv_width + 8, 1);
    const Array keys_source = array(pages.rows(), kv_width, 2), values_source = array(pages.rows(), kv_width, 3);
    Array keys = poisoned(pages.rows(), kv_width), values = poisoned(pages.rows(), kv_width);
    for (int b = 0; b < batch; ++b) {
      for (int64_t j = 0; j < c.positions[static_cast<size_t>(b)]; ++j) {
        const int64_t at = pages.row(b, j) * kv_width;
        std::copy_n(keys_source.host.data() + at, kv_width, keys.host.data() + at);
        std::copy_n(values_source.host.data() + at, kv_width, values.host.data() + at);
      }
    }
    Array out = poisoned(batch, width + 16);
    for (const Array* a : {&qkv, &keys, &values, &out}) upload(*a);

    std::mt19937 random(5);
    std::uniform_real_distribution<float> angles(-3.0f, 3.0f), near_one(0.5f, 1.5f);
    std::vector<float> cosines(static_cast<size_t>(longest * d / 2)), sines(cosines.size());
    for (size_t i = 0; i < cosines.size(); ++i) {
      const float angle = angles(random);
      cosines[i] = std::cos(angle);
      sines[i] = std::sin(angle);
    }
    std::vector<float> q_norm, k_norm;
    for (int64_t i = 0; c.norm && i < d; ++i) {
      q_norm.push_back(near_one(random));
      k_norm.push_back(near_one(random));
    }
    const Buffer table = on_device(pages.table), positions = on_device(c.positions);
    const Buffer device_cos = on_device(cosines), device_sin = on_device(sines);
    const Buffer device_q_norm = on_device(q_norm), device_k_norm = on_device(k_norm);

    const HeadShape shape = {
        c.heads.heads, c.heads.kv_heads, head_dim(), 2.0f / std::sqrt(static_cast<float>(head_dim())), 0, c.window};
    DecodeAttentionPlan plan = plan_decode_attention(*context_, batch, shape, 1, longest);
    if (c.splits > 0) {
      plan.workspace_floats = plan.workspace_floats / static_cast<size_t>(plan.splits) * static_cast<size_t>(c.splits);
      plan.splits = c.splits;
    }
    const Buffer workspace = on_device(std::vector<float>(plan.workspace_floats, NAN));
    const Buffer counters = on_device(std::vector<unsigned>(static_cast<size_t>(plan.counters), 0));

    FusedDecodeAttention problem;
    problem.dtype = dtype();
    problem.out = out.device.as<uint16_t>() + 8;
    problem.out_stride = out.stride;
    problem.qkv = qkv.device.as();
    problem.qkv_stride = qkv.stride;
    problem.kv = {keys.device.as(),    values.device.as(), keys.stride,
                  table.as<int32_t>(), pages.per_sequence, pages.size};
    problem.positions = positions.as<int32_t>();
    problem.cos = device_cos.as<float>();
    problem.sin = device_sin.as<float>();
    problem.rotary_dim = head_dim();
    problem.q_norm = c.norm ? device_q_norm.as<float>() : nullptr;
    problem.k_norm = c.norm ? device_k_norm.as<float>() : nullptr;
    problem.q_norm_eps = problem.k_norm_eps = 1e-5f;
    problem.batch = batch;
    problem.shape = shape;
    problem.workspace = workspace.as<float>();
    problem.counters = counters.as<unsigned>();
    problem.splits = plan.splits;

    launch_decode_attention(*context_, problem, c.dependent);
    const std::vector<uint16_t> result = download(out), stored_keys = download(keys), stored_values = download(values);
    for (int repeat = 0; repeat < 2; ++repeat) {
      upload(out);
      launch_decode_attention(*context_, problem, c.dependent);
      launch_decode_attention(*context_, problem, c.dependent);
      ASSERT_EQ(std::memcmp(result.data(), download(out).data(), 2 * result.size()), 0)
          << "not the same bits in repetition " << repeat;
    }
    std::vector<unsigned> counts(static_cast<size_t>(plan.counters));
    copy(counts.data(), counters.as(), counts.size() * sizeof(unsigned));
    for (const unsigned count : counts) ASSERT_EQ(count, 0u) << "counters are not back at zero";

    // The new token's keys and values are where they belong, and nothing else has changed.
    for (int b = 0; b < batch; ++b) {
      const int64_t position = c.positions[static_cast<size_t>(b)], at = pages.row(b, position) * kv_width;
      for (int h = 0; h < c.heads.kv_heads; ++h) {
        const uint16_t* new_key = qkv.row(b) + width + h * d;
        const std::vector<Uncertain> want =
            norm_and_rotate(new_key, k_norm, problem.q_norm_eps, &cosines[static_cast<size_t>(position * d / 2)],
                            &sines[static_cast<size_t>(position * d / 2)]);
        for (int64_t i = 0; i < d; ++i) {
          const double got = value(stored_keys[static_cast<size_t>(at + h * d + i)]);
          const Uncertain& expected = want[static_cast<size_t>(i)];
          ASSERT_LE(std::abs(got - expected.value), expected.slack)
              << "element " << i << " of the new key " << h << " of sequence " << b << " is stored as " << got
              << ", expected " << expected.value;
        }
      }
      std::copy_n(stored_keys.begin() + at, kv_width, keys.host.begin() + at);
      std::copy_n(qkv.row(b) + width + kv_width, kv_width, values.host.begin() + at);
    }
    ASSERT_EQ(keys.host, stored_keys) << "keys of earlier positions or of no position have changed";
    ASSERT_EQ(values.host, stored_values) << "values are not those of the cache and the new token";

    for (int b = 0; b < batch; ++b) {
      const uint16_t* got = result.data() + b * out.stride;
      for (int i = 0; i < 8; ++i) {
        ASSERT_EQ(got[i], kNaN) << "left margin of row " << b << " was written";
        ASSERT_EQ(got[8 + width + i], kNaN) << "right margin of row " << b << " was written";
      }
      const int64_t position = c.positions[static_cast<size_t>(b)];
      for (int h = 0; h < c.heads.heads; ++h) {
        const int64_t kv_col = h / (c.heads.heads / c.heads.kv_heads) * d;
        std::vector<double> query, slack;
        for (const Uncertain& x : norm_and_rotate(qkv.row(b) + h * d, q_norm, problem.q_norm_eps,
                                                  &cosines[static_cast<size_t>(position * d / 2)],
                                                  &sines[static_cast<size_t>(position * d / 2)])) {
          query.push_back(x.value);
          slack.push_back(x.slack);
        }
        std::vector<const uint16_t*> seen_keys, seen_values;
        for (int64_t j = first_in_sight(position, c.window); j <= position; ++j) {
          seen_keys.push_back(keys.row(pages.row(b, j)) + kv_col);
          seen_values.push_back(values.row(pages.row(b, j)) + kv_col);
        }
        expect_row("decode attention", plain_row(query, slack, seen_keys, seen_values, problem.shape.scale),
                   got + 8 + h * d,
                   "sequence " + std::to_string(b) + " at " + std::to_string(position) + " head " + std::to_string(h));
        if (HasFatalFailure()) return;
      }
    }
  }
};

TEST_P(CudaDecodeAttention, EqualsPlainLoops) {
  constexpr Heads kHeads[] = {{1, 1}, {4, 4}, {6, 2}, {8, 1}, {20, 1}};
  const std::vector<int32_t> kPositions[] = {
      {0}, {1}, {15}, {16}, {17}, {300}, {2000}, {0, 300, 17}, {2000, 1, 15, 16, 17, 300, 0, 255}};
  constexpr int kPageSizes[] = {16, 64, 4};
  int count = 0;
  for (const std::vector<int32_t>& positions : kPositions) {
    for (const int64_t window : {0, 1, 8, 100}) {
      for (const bool norm : {false, true}) {
        const size_t n = static_cast<size_t>(count++);
        if (!has_turn(static_cast<int>(n / 2))) continue;
        run({kHeads[n % 5], positions, window, norm, kPageSizes[n % 3],
             n % 7 == 0   ? 1
             : n % 7 == 1 ? 128
                          : 0,
             n / 2 % 2 == 0});
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST_P(CudaDecodeAttention, ManySharesOfALongSequence) {
  run({{8, 2}, {5000}, 0, true, 64, 0, true});
  run({{8, 2}, {5000}, 3001, true, 64, 0, true});
  run({{8, 2}, {5000, 12, 900}, 0, false, 16, 13, false});
}

INSTANTIATE_TEST_SUITE_P(Types, CudaDecodeAttention, testing::ValuesIn(types_and_sizes()), name_of_case);

}  // namespace
}  // namespace gptq::backend::cuda
