// The operations of the forward pass on every backend against plain loops.
#include <limits>
#include <numeric>

#include "backend/cpu/reference.h"
#include "tests/backend/ragged.h"

namespace gptq::backend {
namespace {

class ModelContract : public ContractTest {};

TEST_P(ModelContract, Norm) {
  for (const NormKind kind : {NormKind::kRms, NormKind::kLayer}) {
    for (const auto& [width, runs] :
         {std::pair<int64_t, int64_t>{32, 1}, {64, 3}, {96, 1}, {128, 8}, {288, 2}, {17, 1}}) {
      for (const int64_t rows : {0, 1, 3, 33, 100}) {
        for (const float size : {1e-3f, 1.0f, 300.0f}) {
          const bool biased = rows % 2 == 1;
          Host x = random_host(rows, width * runs, 1, size);
          const Host weight = random_host(1, width, 2), bias = random_host(1, width, 3);
          Matrix norm = backend().allocate(DType::kF32, 1, width), shift = backend().allocate(DType::kF32, 1, width);
          backend().upload(norm.view(), weight.values);
          backend().upload(shift.view(), bias.values);
          const MatrixView shift_view = biased ? shift.view() : MatrixView{};
          Host want(rows, width * runs);
          const Placed in(backend(), x, true), out(backend(), rows, width * runs, true);
          reference::norm(want.view(), x.view(), kind, weight.values,
                          biased ? std::span<const float>(bias.values) : std::span<const float>(), 1e-5f);
          backend().norm(out.view(), in.view(), kind, norm.view(), shift_view, 1e-5f);
          // The mean of squares has all terms positive: W·eps relative, halved by the root; a few operations more. What
          // the mean of x leaves of x is at most a few deviations, and errs by W·eps of those.
          expect_close("norm", out.host().values, want.values, [&](size_t i) {
            const size_t column = i % static_cast<size_t>(width);
            const double shifted = std::abs(want.values[i]) + (biased ? std::abs(bias.values[column]) : 0.0);
            const double mean = kind == NormKind::kLayer ? 4.0 * std::abs(weight.values[column]) : 0.0;
            return (static_cast<double>(width) / 2 + 6) * kEps * (shifted + mean) +
                   2 * activation_eps() * std::abs(want.values[i]) + 1e-30;
          });
          const Placed stream(backend(), DType::kF32, x, true), from_stream(backend(), rows, width * runs, true);
          backend().norm(from_stream.view(), stream.view(), kind, norm.view(), shift_view, 1e-5f);
          EXPECT_EQ(from_stream.host().values, out.host().values);
          backend().norm(in.view(), in.view(), kind, norm.view(), shift_view, 1e-5f);  // in place
          EXPECT_EQ(in.host().values, out.host().values);
        }
      }
    }
  }
}

TEST_P(ModelContract, Rope) {
  struct Case {
    int head_dim, rotary_dim;
    bool interleaved;
  };
  for (const Case& c : {Case{2, 2, false},
                        {16, 16, false},
                        {32, 32, true},
                        {64, 64, false},
                        {128, 128, false},
                        {80, 32, false},
                        {64, 16, true}}) {
    for (const int64_t heads : {1, 3, 8}) {
      for (const auto& [lengths, past] : {std::pair<std::vector<int32_t>, std::vector<int32_t>>{{1}, {0}},
                                          {{5}, {3}},
                                          {{70}, {0}},
                                          {{3, 0, 1, 9}, {11, 2, 0, 5}}}) {
        const RaggedBatch batch(backend(), lengths, past);
        Host x = random_host(batch.rows().rows(), heads * c.head_dim, 1);
        Host cosines = random_host(batch.rows().longest(), c.rotary_dim / 2, 2, 100.0f), sines = cosines;
        for (float& value : cosines.values) value = std::cos(value);
        for (float& value : sines.values) value = std::sin(value);
        const Placed out(backend(), x, true), co(backend(), DType::kF32, cosines, false),
            si(backend(), DType::kF32, sines, false);
        backend().rope(out.view(), {c.head_dim, c.interleaved, {co.view(), si.view()}}, batch.rows());
        const Host before = x;
        std::vector<int32_t> positions;
        for (size_t s = 0; s < lengths.size(); ++s) {
          for (int32_t i = 0; i < lengths[s]; ++i) positions.push_back(past[s] + i);
        }
        reference::rope(x.view(), {c.head_dim, c.interleaved, {cosines.view(), sines.view()}}, positions);
        const double eps = 3 * kEps + 4 * activation_eps();
        const int half = c.rotary_dim / 2;
        expect_close("rope", out.host().values, x.values, [&](size_t i) {
          const int in_head = static_cast<int>(i % static_cast<size_t>(c.head_dim));
          if (in_head >= c.rotary_dim) return 0.0;
          const int other = c.interleaved ? in_head ^ 1 : (in_head + half) % c.rotary_dim;
          const float partner = before.values[i - static_cast<size_t>(in_head) + static_cast<size_t>(other)];
          return eps * (std::abs(before.values[i]) + std::abs(partner));
        });
      }
    }
  }
}

// What rounding explains of an element of attention's result.
double attention_tolerance(AttentionCase& c, double activation_eps) {
  // A score errs by δ = D·eps·scale·‖q‖·‖k‖, its weight by a factor 1 ± 2δ; then a sum over the keys.
  double q_norm = 0, k_norm = 0, v_most = 0;
  for (int64_t row = 0; row < c.q.rows; ++row) q_norm = std::max(q_norm, c.q.row_norm(row));
  for (int64_t row = 0; row < c.k.rows; ++row) k_norm = std::max(k_norm, c.k.row_norm(row));
  for (const float value : c.v.values) v_most = std::max(v_most, double{std::abs(value)});
  // Norms of one head: rows hold all heads, of about the same length.
  q_norm *= 1.5 / std::sqrt(c.args.heads);
  k_norm *= 1.5 / std::sqrt(c.args.kv_heads);
  const double delta = (c.args.head_dim + 2) * kEps * c.args.scale * q_norm * k_norm + 8 * kEps * c.args.soft_cap;
  return (2 * delta + static_cast<double>(c.k.rows + 8) * kEps + 4 * activation_eps) * v_most;
}

AttentionCase make_case(Backend& backend, const BatchRows& rows, int heads, int kv_heads, int head_dim) {
  int64_t keys = rows.rows();
  for (const int32_t past : rows.past) keys += past;
  AttentionCase c{random_host(rows.rows(), heads * head_dim, 1),
                  random_host(keys, kv_heads * head_dim, 2),
                  random_host(keys, kv_heads * head_dim, 3),
                  {}};
  for (Host* host : {&c.q, &c.k, &c.v}) Placed(backend, *host, false);  // rounds to the activations' type
  c.args.heads = heads;
  c.args.kv_heads = kv_heads;
  c.args.head_dim = head_dim;
  c.args.scale = 2.0f / std::sqrt(static_cast<float>(head_dim));
  return c;
}

Host expected_attention(AttentionCase& c, const BatchRows& rows) {
  Host want(c.q.rows, c.q.cols);
  AttentionArgs args = c.args;
  args.q = c.q.view();
  args.keys = c.k.view();
  args.values = c.v.view();
  reference::attention(want.view(), args, rows.row_starts, rows.past);
  return want;
}

TEST_P(ModelContract, Attention) {
  struct Heads {
    int heads, kv_heads;
  };
  for (const int head_dim : {16, 24, 32, 64, 128}) {
    for (const auto [heads, kv_heads] : {Heads{1, 1}, {4, 4}, {6, 2}, {8, 1}}) {
      for (const int32_t t : {1, 2, 63, 64, 65, 130}) {
        if (t > 65 && head_dim > 32) continue;  // time
        for (const int32_t past : {0, 1, 17}) {
          for (const int64_t window : {0, 1, 8}) {
            SCOPED_TRACE("D " + std::to_string(head_dim) + " H " + std::to_string(heads) + "/" +
                         std::to_string(kv_heads) + " T " + std::to_string(t) + " past " + std::to_string(past) +
                         " window " + std::to_string(window));
            const RaggedBatch batch(backend(), {t}, {past}, past > 0 ? 8 : 0);
            AttentionCase c = make_case(backend(), batch.rows(), heads, kv_heads, head_dim);
            c.args.window = window;
            c.args.soft_cap = (t + past) % 2 == 0 ? 0.0f : 2.0f;
            const double tolerance = attention_tolerance(c, activation_eps());
            expect_close("attention", run_attention(backend(), c, batch).values,
                         expected_attention(c, batch.rows()).values, [&](size_t) { return tolerance; });
            if (HasFatalFailure()) return;
          }
        }
      }
    }
  }
}

// Sequences of any lengths together, prompts and single tokens mixed, with the cache in pages of any order, give what each gives
// alone: on a CPU to the last bit, also with its pages in another order.
TEST_P(ModelContract, RaggedAttentionAsIfAlone) {
  std::mt19937 random(11);
  const auto below = [&](int end) { return static_cast<int32_t>(random() % static_cast<unsigned>(end)); };
  for (int trial = 0; trial < 40; ++trial) {
    const int sequences = 1 + below(9), head_dim = trial % 3 == 0 ? 64 : 32, kv_heads = 2;
    const int heads = kv_heads * (1 + below(4));
    std::vector<int32_t> lengths, past;
    for (int s = 0; s < sequences; ++s) {
      lengths.push_back(trial % 2 == 0 ? 1 + below(17) : 1 + below(2) * below(9));
      past.push_back(below(301));
    }
    const RaggedBatch batch(backend(), lengths, past, 16 << trial % 2, static_cast<uint32_t>(trial));
    AttentionCase c = make_case(backend(), batch.rows(), heads, kv_heads, head_dim);
    c.args.window = trial % 4 == 0 ? 0 : 1 + below(200);
    c.args.soft_cap = trial % 5 == 0 ? 3.0f : 0.0f;
    const Host together = run_attention(backend(), c, batch);
    const double tolerance = attention_tolerance(c, activation_eps());
    expect_close("ragged attention", together.values, expected_attention(c, batch.rows()).values,
                 [&](size_t) { return tolerance; });
    int64_t first_key = 0;
    for (int64_t s = 0; s < sequences && !HasFailure(); ++s) {
      const size_t i = static_cast<size_t>(s);
      const auto rows_of = [](const Host& host, int64_t first, int64_t count) {
        Host part(count, host.cols);
        std::copy_n(host.values.begin() + first * host.cols, count * host.cols, part.values.begin());
        return part;
      };
      const int64_t keys = past[i] + lengths[i];
      const RaggedBatch one(backend(), {lengths[i]}, {past[i]}, 32, static_cast<uint32_t>(trial + s));
      AttentionCase alone{rows_of(c.q, batch.rows().begin(s), lengths[i]), rows_of(c.k, first_key, keys),
                          rows_of(c.v, first_key, keys), c.args};
      first_key += keys;
      const Host want = run_attention(backend(), alone, one);
      const Host got = rows_of(together, batch.rows().begin(s), lengths[i]);
      if (!backend().capabilities().own_memory) {
        EXPECT_EQ(got.values, want.values) << "trial " << trial << " sequence " << s;
      }
      expect_close("ragged attention, alone", got.values, want.values, [&](size_t) { return 2 * tolerance; });
    }
    if (HasFailure()) return;
  }
}

TEST_P(ModelContract, SequencesWithoutCacheAsIfAlone) {
  const RaggedBatch batch(backend(), {37, 1, 70}, {0, 0, 0});
  AttentionCase c = make_case(backend(), batch.rows(), 6, 2, 32);
  c.args.window = 20;
  const double tolerance = attention_tolerance(c, activation_eps());
  expect_close("attention without cache", run_attention(backend(), c, batch).values,
               expected_attention(c, batch.rows()).values, [&](size_t) { return tolerance; });
}

TEST_P(ModelContract, AttentionWithLargeScoresIsAChoice) {
  // Scores of ±1e4: all weight on one key, exp must neither overflow nor divide by zero.
  for (const int32_t t : {1, 5, 20}) {
    const RaggedBatch batch(backend(), {t}, {3}, 8);
    AttentionCase c{Host(t, 32, 30.0f), Host(t + 3, 32, -30.0f), random_host(t + 3, 32, 1), {}};
    for (int64_t i = 0; i < 32; ++i) c.k.at(1, i) = 30.0f;
    Placed(backend(), c.v, false);
    c.args.heads = c.args.kv_heads = 1;
    c.args.head_dim = 32;
    c.args.scale = 0.4f;
    const Host out = run_attention(backend(), c, batch);
    for (int64_t row = 0; row < t; ++row) {
      for (int64_t i = 0; i < 32; ++i) EXPECT_EQ(out.at(row, i), c.v.at(1, i));
    }
  }
}

TEST_P(ModelContract, Activations) {
  for (const Activation kind :
       {Activation::kSilu, Activation::kGelu, Activation::kGeluTanh, Activation::kRelu, Activation::kSquaredRelu}) {
    for (const bool gated : {true, false}) {
      for (const int64_t width : {32, 96, 160, 17, 1}) {
        for (const int64_t rows : {0, 1, 3, 65}) {
          Host x = random_host(rows, (gated ? 2 : 1) * width, 1, 5.0f);
          const float extremes[] = {0.0f,   100.0f, -100.0f, 1e4f,   -1e4f,  87.5f,
                                    -87.5f, 88.5f,  -88.5f,  1e-20f, -20.0f, 20.0f};
          const bool bounded = kind == Activation::kSquaredRelu;  // 1e8 is too large for fp16
          for (int64_t i = 0; i < rows * width && !bounded; ++i) {
            if (i % 3 == 0) x.at(i / width, i % width) = extremes[static_cast<size_t>(i / 3) % std::size(extremes)];
          }
          const Placed in(backend(), x, true), out(backend(), rows, width, true);
          backend().activate(out.view(), in.view(), kind, gated);
          Host want(rows, width);
          reference::activate(want.view(), x.view(), kind, gated);
          expect_close("activate", out.host().values, want.values, [&](size_t i) {
            const int64_t row = static_cast<int64_t>(i) / width, col = static_cast<int64_t>(i) % width;
            const double up = gated ? std::abs(x.at(row, width + col)) : 1.0;
            // exp within 2 ulp of an argument that errs by ulps itself; below −88 results are less than 1e-33 and may be
            // flushed or clamped. GELU's tails cancel: their error is absolute, of the size of x.
            const double tail = kind == Activation::kGelu || kind == Activation::kGeluTanh
                                    ? 16 * kEps * std::abs(x.at(row, col)) * up
                                    : 0.0;
            return (60 * kEps + 2 * activation_eps()) * std::abs(want.values[i]) + 1e-33 * up + tail +
                   (activation_eps() > kEps ? 0x1p-24 : 0.0);
          });
        }
      }
    }
  }
}

TEST_P(ModelContract, ScaleAndSoftCap) {
  for (const int64_t rows : {0, 1, 33}) {
    Host x = random_host(rows, 97, 1, 40.0f);
    for (size_t i = 0; i < x.values.size(); i += 5) x.values[i] *= 1e-4f;
    const Placed scaled(backend(), DType::kF32, x, true), capped(backend(), DType::kF32, x, true);
    backend().scale(scaled.view(), 1.75f);
    std::vector<float> want;
    for (const float value : x.values) want.push_back(value * 1.75f);
    EXPECT_EQ(scaled.host().values, want);
    backend().soft_cap(capped.view(), 30.0f);
    reference::soft_cap(x.view(), 30.0f);
    expect_close("soft_cap", capped.host().values, x.values,
                 [&](size_t i) { return 16 * kEps * std::abs(x.values[i]) + 1e-30; });
  }
}

TEST_P(ModelContract, GatherRows) {
  Host x = random_host(9, 70, 1);
  const std::vector<int> rows = {0, 3, 3, 8};
  const Placed in(backend(), DType::kF32, x, true), out(backend(), DType::kF32, 4, 70, true);
  backend().gather_rows(out.view(), in.view(), rows);
  for (int64_t i = 0; i < 4; ++i) {
    for (int64_t c = 0; c < 70; ++c) EXPECT_EQ(out.host().at(i, c), x.at(rows[static_cast<size_t>(i)], c));
  }
}

TEST_P(ModelContract, Add) {
  for (const int64_t rows : {0, 1, 33}) {
    Host x = random_host(rows, 96, 1), y = random_host(rows, 96, 2);
    const Placed dx(backend(), DType::kF32, x, true), dy(backend(), y, true);
    backend().add(dx.view(), dy.view());
    std::vector<float> want;
    for (size_t i = 0; i < x.values.size(); ++i) want.push_back(x.values[i] + y.values[i]);
    EXPECT_EQ(dx.host().values, want);
    EXPECT_EQ(dy.host().values, y.values);
  }
}

TEST_P(ModelContract, CopyAndClear) {
  Host x = random_host(5, 96, 1);
  const Placed from(backend(), x, true), to(backend(), 5, 96, true);
  backend().copy(to.view(), from.view());
  EXPECT_EQ(to.host().values, x.values);
  backend().copy(to.view().row_range(3, 2), from.view().row_range(0, 2));
  for (int64_t i = 0; i < 96; ++i) EXPECT_EQ(to.host().at(4, i), x.at(1, i));
  backend().clear(to.view().row_range(0, 4));
  for (int64_t i = 0; i < 4 * 96; ++i) EXPECT_EQ(to.host().values[static_cast<size_t>(i)], 0.0f);
  EXPECT_EQ(to.host().at(4, 5), x.at(1, 5));
}

TEST_P(ModelContract, CrossEntropy) {
  for (const int64_t vocabulary : {1, 2, 17, 320, 5003}) {
    for (const float size : {1.0f, 30.0f, 1e4f}) {
      Host logits = random_host(7, vocabulary, 1, size);
      std::fill_n(logits.values.begin(), vocabulary, size);                   // all the same
      if (vocabulary > 1) logits.at(1, 1) = 2 * logits.at(1, 0) + 20 * size;  // one that takes it all
      std::vector<int> targets;
      for (int t = 0; t < 7; ++t) targets.push_back(static_cast<int>((t * 977) % vocabulary));
      if (vocabulary > 1) targets[1] = 1;
      const Placed in(backend(), DType::kF32, logits, true);
      const std::vector<float> want = reference::cross_entropy(logits.view(), targets);
      double largest = 0;
      for (const float value : logits.values) largest = std::max(largest, double{std::abs(value)});
      // Exponents err by eps·|logit|, which becomes a relative error of each term; then V terms and a logarithm.
      expect_close("cross_entropy", backend().cross_entropy(in.view(), targets), want,
                   [&](size_t) { return (static_cast<double>(vocabulary) + 16 + 6 * largest) * kEps; });
    }
  }
}

TEST_P(ModelContract, AllFiniteSeesEveryPosition) {
  for (const int64_t cols : {1, 17, 96}) {
    const Placed x(backend(), 3, cols, true);
    Host host = random_host(3, cols, 1, 100.0f);
    host.at(0, 0) = 60000.0f;
    backend().upload(x.view(), host.values);
    EXPECT_TRUE(all_finite(backend(), x.view()));
    for (const float bad : {NAN, -NAN, INFINITY, -INFINITY}) {
      for (size_t i = 0; i < host.values.size(); ++i) {
        std::vector<float> values = host.values;
        values[i] = bad;
        backend().upload(x.view(), values);
        ASSERT_FALSE(all_finite(backend(), x.view())) << bad << " at " << i;
      }
    }
  }
  EXPECT_TRUE(all_finite(backend(), Placed(backend(), 0, 32, false).view()));
}

TEST_P(ModelContract, ValuesThatAreNotFiniteAreSeenAndDoNotCrash) {
  Matrix ones = backend().allocate(DType::kF32, 1, 32);
  backend().upload(ones.view(), std::vector<float>(32, 1.0f));
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    for (const int32_t rows : {1, 40}) {
      Host x = random_host(rows, 64, 1), angle(rows, 16, 1.0f);
      for (float& value : x.values) value = value > 2.0f ? bad : value;
      x.at(0, 3) = bad;
      const RaggedBatch batch(backend(), {rows}, {0});
      const Placed in(backend(), x, true), out(backend(), rows, 32, true), norm(backend(), rows, 64, true);
      const Placed c(backend(), DType::kF32, angle, false), copy(backend(), x, true);
      backend().activate(out.view(), in.view(), Activation::kSilu, true);
      backend().norm(norm.view(), in.view(), NormKind::kRms, ones.view(), {}, 1e-5f);
      EXPECT_FALSE(all_finite(backend(), norm.view()));
      AttentionArgs args;
      args.q = args.keys = args.values = in.view().column_range(0, 32);
      args.heads = args.kv_heads = 1;
      args.head_dim = 32;
      backend().attention(out.view(), args, batch.rows());
      EXPECT_FALSE(all_finite(backend(), out.view()));
      const Placed sum(backend(), DType::kF32, x, true);
      backend().cross_entropy(sum.view(), std::vector<int>(static_cast<size_t>(rows), 0));
      backend().rope(copy.view(), {32, false, {c.view(), c.view()}}, batch.rows());
      EXPECT_FALSE(all_finite(backend(), copy.view()));
      backend().add(sum.view(), norm.view());
      EXPECT_FALSE(all_finite(backend(), sum.view()));
    }
  }
}

GPTQ_EVERY_BACKEND(ModelContract);

const auto* const kPrintWorstRatios = testing::AddGlobalTestEnvironment(new PrintWorstRatios);

}  // namespace
}  // namespace gptq::backend
