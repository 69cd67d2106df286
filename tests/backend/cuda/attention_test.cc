// The attention kernels against plain loops in double precision, with poison wherever they must not read or write.
#include "backend/cuda/attention/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "core/half.h"
#include "tests/backend/cases.h"

namespace gptq::backend::cuda {
namespace {

constexpr uint16_t kNaN = 0x7fff;  // in both 16-bit types

// One 16-bit type and head size.
struct TypeAndSize {
  DType dtype;
  int head_dim;
};

void PrintTo(const TypeAndSize& c, std::ostream* out) { *out << name_of(c.dtype) << " D " << c.head_dim; }

class CudaAttention : public testing::TestWithParam<TypeAndSize> {
 protected:
  void SetUp() override {
    int count = 0;
    if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0) GTEST_SKIP() << "not tested here: there is no GPU";
    context_ = std::make_unique<Context>(0, 0);
  }

  DType dtype() const { return GetParam().dtype; }
  int head_dim() const { return GetParam().head_dim; }
  // Cases that go round: every type and size takes another third of them.
  bool has_turn(int count) const { return (count + head_dim() / 8 + (dtype() == DType::kF16 ? 1 : 0)) % 3 == 0; }
  double unit() const { return dtype() == DType::kF16 ? 0x1p-11 : 0x1p-8; }  // of rounding to 16 bits
  uint16_t bits(double value) const {
    const float single = static_cast<float>(value);
    return dtype() == DType::kF16 ? to_half(single).bits : to_bfloat16(single).bits;
  }
  double value(uint16_t bits) const {
    return dtype() == DType::kF16 ? gptq::to_float(Half{bits}) : gptq::to_float(BFloat16{bits});
  }
  double rounded(double x) const { return value(bits(x)); }

  // A matrix of 16-bit values, in host and device memory.
  struct Array {
    int64_t rows = 0, stride = 0;
    std::vector<uint16_t> host;
    Buffer device;
    uint16_t* row(int64_t r) { return host.data() + r * stride; }
  };
  Array array(int64_t rows, int64_t stride, uint32_t seed) {
    Array a = poisoned(rows, stride);
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (uint16_t& x : a.host) x = bits(normal(random));
    return a;
  }
  Array poisoned(int64_t rows, int64_t stride) {
    const size_t size = static_cast<size_t>(rows * stride);
    return {rows, stride, std::vector<uint16_t>(size, kNaN), Buffer(*context_, size * sizeof(uint16_t))};
  }
  void upload(const Array& a) { copy(a.device.as(), a.host.data(), a.host.size() * sizeof(uint16_t)); }
  std::vector<uint16_t> download(const Array& a) {
    std::vector<uint16_t> host(a.host.size());
    copy(host.data(), a.device.as(), host.size() * sizeof(uint16_t));
    return host;
  }
  template <typename Value>
  Buffer on_device(const std::vector<Value>& values) {
    Buffer buffer(*context_, values.size() * sizeof(Value));
    copy(buffer.as(), values.data(), values.size() * sizeof(Value));
    return buffer;
  }
  void copy(void* to, const void* from, size_t bytes) {
    GPTQ_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, context_->stream()));
    context_->synchronize();
  }

  // One row of attention in double precision. `keys` and `values` give the first of D elements of each key in sight;
  // `slack` (or null) is how far each element of q may be off.
  struct Expected {
    std::vector<double> out, tolerance;
  };
  Expected plain_row(const std::vector<double>& q, const std::vector<double>& slack,
                     const std::vector<const uint16_t*>& keys, const std::vector<const uint16_t*>& values,
                     double scale) const {
    const size_t d = q.size(), n = keys.size();
    std::vector<double> weight(n);
    double highest = -INFINITY, lowest = INFINITY, delta = 0, total = 0;
    for (size_t j = 0; j < n; ++j) {
      double sum = 0, size = 0, off = 0;
      for (size_t i = 0; i < d; ++i) {
        const double k = value(keys[j][i]);
        sum += q[i] * k;
        size += std::abs(q[i] * k);
        if (!slack.empty()) off += slack[i] * std::abs(k);
      }
      weight[j] = scale * sum;
      highest = std::max(highest, weight[j]);
      lowest = std::min(lowest, weight[j]);
      // D products are added in fp32; their sum is scaled.
      delta = std::max(delta, scale * (static_cast<double>(d + 4) * kEps * size + off));
    }
    for (double& w : weight) total += w = std::exp(w - highest);
    delta += 4 * kEps * (highest - lowest);  // the difference to the highest, times log₂ e
    Expected result{std::vector<double>(d), std::vector<double>(d)};
    for (size_t i = 0; i < d; ++i) {
      double sum = 0, size = 0, most = 0;
      for (size_t j = 0; j < n; ++j) {
        const double v = value(values[j][i]);
        sum += weight[j] * v;
        size += weight[j] * std::abs(v);
        most = std::max(most, std::abs(v));
      }
      result.out[i] = sum / total;
      // Weights: rounded to 16 bits (fp16: to multiples of 2⁻²⁴ when small), off by 2δ, exp2 by 2⁻²¹. Sums in fp32.
      result.tolerance[i] = (unit() + 2 * delta + 0x1p-20 + static_cast<double>(n + 16) * kEps) * size / total +
                            unit() * std::abs(result.out[i]) + static_cast<double>(n) * 0x1p-25 * most + 0x1p-25;
    }
    return result;
  }

  // Compares one head's row; says where the first difference is.
  void expect_row(const char* what, const Expected& want, const uint16_t* got, const std::string& where) {
    double& worst = worst_ratios()[std::string(what) + (dtype() == DType::kF16 ? " F16" : " BF16")];
    for (size_t i = 0; i < want.out.size(); ++i) {
      const double result = value(got[i]), difference = std::abs(result - want.out[i]);
      ASSERT_TRUE(difference <= want.tolerance[i]) << what << ": element " << i << " of " << where << " is " << result
                                                   << ", expected " << want.out[i] << " ± " << want.tolerance[i];
      worst = std::max(worst, difference / want.tolerance[i]);
    }
  }

  std::unique_ptr<Context> context_;
};

// ---- where rows of keys lie

struct Pages {
  int per_sequence = 0, size = 0;
  std::vector<int32_t> table;
  int64_t rows() const { return static_cast<int64_t>(table.size()) * size; }
  int64_t row(int64_t sequence, int64_t position) const {
    return int64_t{table[static_cast<size_t>(sequence * per_sequence + position / size)]} * size + position % size;
  }
};

Pages shuffled_pages(int sequences, int64_t positions, int size) {
  Pages pages;
  pages.size = size;
  pages.per_sequence = static_cast<int>((positions + size - 1) / size) + 1;
  pages.table.resize(static_cast<size_t>(sequences) * static_cast<size_t>(pages.per_sequence));
  std::iota(pages.table.begin(), pages.table.end(), 0);
  std::shuffle(pages.table.begin(), pages.table.end(), std::mt19937(7));
  return pages;
}

struct Heads {
  int heads, kv_heads;
};

int64_t first_in_sight(int64_t position, int64_t window) {
  return window > 0 ? std::max<int64_t>(0, position - window + 1) : 0;
}

// ---- prefill

class CudaPrefillAttention : public CudaAttention {
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
    launch_prefill_attention(*context_, problem);
    const std::vector<uint16_t> result = download(out);
    launch_prefill_attention(*context_, problem);
    ASSERT_EQ(std::memcmp(result.data(), download(out).data(), 2 * result.size()), 0) << "not the same bits twice";

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
        expect_row("prefill attention", plain_row(query, {}, seen_keys, seen_values, problem.shape.scale),
                   got + kMargin + h * d,
                   "sequence " + std::to_string(s) + " query " + std::to_string(i) + " head " + std::to_string(h));
        if (HasFatalFailure()) return;
      }
    }
  }
};

TEST_P(CudaPrefillAttention, EqualsPlainLoops) {
  constexpr Heads kHeads[] = {{1, 1}, {4, 4}, {6, 2}, {8, 1}};
  constexpr int kPageSizes[] = {0, 16, 0, 64, 1};
  int count = 0;
  for (const int32_t queries : {1, 5, 63, 64, 65, 130, 300}) {
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

// ---- decode

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
    DecodeAttentionPlan plan = plan_decode_attention(batch, shape, 1, longest, context_->multiprocessors());
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

std::vector<TypeAndSize> types_and_sizes() {
  std::vector<TypeAndSize> cases;
  for (const DType dtype : {DType::kBF16, DType::kF16}) {
    for (const int head_dim : {16, 24, 64, 96, 128, 256}) cases.push_back({dtype, head_dim});
  }
  return cases;
}

std::string name_of_case(const testing::TestParamInfo<TypeAndSize>& info) {
  return std::string(name_of(info.param.dtype)) + "_" + std::to_string(info.param.head_dim);
}

INSTANTIATE_TEST_SUITE_P(Types, CudaPrefillAttention, testing::ValuesIn(types_and_sizes()), name_of_case);
INSTANTIATE_TEST_SUITE_P(Types, CudaDecodeAttention, testing::ValuesIn(types_and_sizes()), name_of_case);

}  // namespace
}  // namespace gptq::backend::cuda
