// The operations of the forward pass on every backend against plain loops.
#include <limits>
#include <numeric>

#include "backend/cpu/reference.h"
#include "tests/backend/cases.h"

namespace gptq {
namespace {

class ModelContract : public ContractTest {};

TEST_P(ModelContract, RmsNorm) {
  for (const auto& [width, runs] :
       {std::pair<int64_t, int64_t>{32, 1}, {64, 3}, {96, 1}, {128, 8}, {288, 2}, {17, 1}}) {
    for (const int64_t rows : {0, 1, 3, 33, 100}) {
      for (const float size : {1e-3f, 1.0f, 300.0f}) {
        Host x = random_host(rows, width * runs, 1, size);
        const Host weight = random_host(1, width, 2);
        Matrix norm = backend().allocate(DType::kF32, 1, width);
        backend().upload(norm.view(), weight.values);
        Host want(rows, width * runs);
        const Placed in(backend(), x, true), out(backend(), rows, width * runs, true);
        reference::rms_norm(want.view(), x.view(), weight.values, 1e-5f);
        backend().rms_norm(out.view(), in.view(), norm.view(), 1e-5f);
        // The mean of squares has all terms positive: W·eps relative, halved by the root; a few operations more.
        expect_close("rms_norm", out.host().values, want.values, [&](size_t i) {
          return (static_cast<double>(width) / 2 + 6) * kEps * std::abs(want.values[i]) +
                 2 * activation_eps() * std::abs(want.values[i]) + 1e-30;
        });
        const Placed stream(backend(), DType::kF32, x, true), from_stream(backend(), rows, width * runs, true);
        backend().rms_norm(from_stream.view(), stream.view(), norm.view(), 1e-5f);
        EXPECT_EQ(from_stream.host().values, out.host().values);
        backend().rms_norm(in.view(), in.view(), norm.view(), 1e-5f);  // in place
        EXPECT_EQ(in.host().values, out.host().values);
      }
    }
  }
}

TEST_P(ModelContract, Rope) {
  for (const int head_dim : {2, 16, 32, 64, 128}) {
    for (const int64_t heads : {1, 3, 8}) {
      for (const int64_t rows : {0, 1, 5, 70}) {
        Host x = random_host(rows, heads * head_dim, 1), angles = random_host(rows, head_dim / 2, 2, 100.0f);
        Host cosines = angles, sines = angles;
        for (float& value : cosines.values) value = std::cos(value);
        for (float& value : sines.values) value = std::sin(value);
        const Placed out(backend(), x, true), c(backend(), DType::kF32, cosines, false),
            s(backend(), DType::kF32, sines, false);
        backend().rope(out.view(), head_dim, c.view(), s.view());
        const Host before = x;
        reference::rope(x.view(), head_dim, cosines.view(), sines.view());
        const double eps = 3 * kEps + 4 * activation_eps();
        expect_close("rope", out.host().values, x.values, [&](size_t i) {
          const size_t in_head = i % static_cast<size_t>(head_dim), half = static_cast<size_t>(head_dim) / 2;
          const float partner = before.values[in_head < half ? i + half : i - half];
          return eps * (std::abs(before.values[i]) + std::abs(partner));
        });
      }
    }
  }
}

TEST_P(ModelContract, Attention) {
  struct Heads {
    int heads, kv_heads;
  };
  for (const int head_dim : {16, 24, 32, 64, 128}) {
    for (const auto [heads, kv_heads] : {Heads{1, 1}, {4, 4}, {6, 2}, {8, 1}}) {
      for (const int64_t t : {1, 2, 63, 64, 65, 130}) {
        if (t > 65 && head_dim > 32) continue;  // time
        for (const int64_t past : {0, 1, 17}) {
          for (const int64_t window : {0, 1, 8}) {
            Host q = random_host(t, heads * head_dim, 1), k = random_host(past + t, kv_heads * head_dim, 2);
            Host v = random_host(past + t, kv_heads * head_dim, 3);
            const float scale = 2.0f / std::sqrt(static_cast<float>(head_dim));
            const Placed dq(backend(), q, true), dk(backend(), k, true), dv(backend(), v, true);
            const Placed out(backend(), t, heads * head_dim, true);
            AttentionArgs args{dq.view(), dk.view(), dv.view(), nullptr, 1,     past,
                               heads,     kv_heads,  head_dim,  scale,   window};
            backend().attention(out.view(), args);
            args.q = q.view();
            args.keys = k.view();
            args.values = v.view();
            Host want(t, heads * head_dim);
            reference::attention(want.view(), args);
            // A score errs by δ = D·eps·scale·‖q‖·‖k‖, its weight by a factor 1 ± 2δ; then a sum over the keys.
            double q_norm = 0, k_norm = 0, v_most = 0;
            for (int64_t row = 0; row < t; ++row) q_norm = std::max(q_norm, q.row_norm(row));
            for (int64_t row = 0; row < past + t; ++row) k_norm = std::max(k_norm, k.row_norm(row));
            for (const float value : v.values) v_most = std::max(v_most, double{std::abs(value)});
            // Norms of one head: rows hold all heads, of about the same length.
            q_norm *= 1.5 / std::sqrt(heads);
            k_norm *= 1.5 / std::sqrt(kv_heads);
            const double delta = (head_dim + 2) * kEps * scale * q_norm * k_norm;
            const double tolerance =
                (2 * delta + static_cast<double>(past + t + 8) * kEps + 4 * activation_eps()) * v_most;
            SCOPED_TRACE("D " + std::to_string(head_dim) + " H " + std::to_string(heads) + "/" +
                         std::to_string(kv_heads) + " T " + std::to_string(t) + " past " + std::to_string(past) +
                         " window " + std::to_string(window));
            expect_close("attention", out.host().values, want.values, [&](size_t) { return tolerance; });
            if (HasFatalFailure()) return;
          }
        }
      }
    }
  }
}

TEST_P(ModelContract, RopeRepeatsItsAngles) {
  Host x = random_host(6, 64, 1), angles = random_host(2, 16, 2), both(6, 16);
  for (int64_t i = 0; i < 6 * 16; ++i) both.at(i / 16, i % 16) = angles.at(i / 16 % 2, i % 16);
  const Placed a(backend(), x, true), b(backend(), x, true), few(backend(), DType::kF32, angles, false),
      all(backend(), DType::kF32, both, false);
  backend().rope(a.view(), 32, few.view(), few.view());
  backend().rope(b.view(), 32, all.view(), all.view());
  EXPECT_EQ(a.host().values, b.host().values);
}

// Several sequences at once, and a cache in pages of any order, give what one sequence in order gives.
TEST_P(ModelContract, AttentionOfSequencesAndPages) {
  const int64_t t = 37, past = 50, d = 32, heads = 6, kv_heads = 2, sequences = 3, page = 8;
  Host q = random_host(sequences * t, heads * d, 1), k = random_host(sequences * (past + t), kv_heads * d, 2);
  Host v = random_host(sequences * (past + t), kv_heads * d, 3);
  const Placed dq(backend(), q, true), dk(backend(), k, true), dv(backend(), v, true);
  const Placed together(backend(), sequences * t, heads * d, true), alone(backend(), t, heads * d, true);
  AttentionArgs args{dq.view(), dk.view(), dv.view(), nullptr, sequences, past, heads, kv_heads, d, 0.2f, 20};
  backend().attention(together.view(), args);
  const std::vector<float> all = together.host().values;

  const int64_t pages = (past + t + page - 1) / page;
  std::vector<int32_t> order(static_cast<size_t>(sequences * pages));
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), std::mt19937(4));
  const Matrix table = backend().allocate(DType::kI32, sequences, pages);
  backend().upload(table.view(), order);
  const Placed keys(backend(), sequences * pages * page, kv_heads * d, true),
      values(backend(), sequences * pages * page, kv_heads * d, true);
  for (int64_t s = 0; s < sequences; ++s) {
    const PageTable one{table.view().row_range(s, 1), page};
    for (const auto& [first, count] : {std::pair<int64_t, int64_t>{0, past}, {past, t}}) {
      backend().append(keys.view(), dk.view().row_range(s * (past + t) + first, count), one, first);
      backend().append(values.view(), dv.view().row_range(s * (past + t) + first, count), one, first);
    }
    args.q = dq.view().row_range(s * t, t);
    args.keys = dk.view().row_range(s * (past + t), past + t);
    args.values = dv.view().row_range(s * (past + t), past + t);
    args.sequences = 1;
    backend().attention(alone.view(), args);
    const std::vector<float> one_by_one = alone.host().values;
    const double eps = 8 * kEps * static_cast<double>(past + t) + 4 * activation_eps();
    expect_close("attention of sequences", {all.begin() + s * t * heads * d, all.begin() + (s + 1) * t * heads * d},
                 one_by_one, [&](size_t) { return eps * 4; });
    args.keys = keys.view();
    args.values = values.view();
    args.pages = &one;
    backend().attention(alone.view(), args);
    expect_close("attention through pages", alone.host().values, one_by_one, [&](size_t) { return eps * 4; });
    args.pages = nullptr;
  }
}

TEST_P(ModelContract, AttentionWithLargeScoresIsAChoice) {
  // Scores of ±1e4: all weight on one key, exp must neither overflow nor divide by zero.
  for (const int64_t t : {1, 5}) {
    Host q(t, 32, 30.0f), k(t + 3, 32, -30.0f), v = random_host(t + 3, 32, 1);
    for (int64_t i = 0; i < 32; ++i) k.at(1, i) = 30.0f;
    const Placed dq(backend(), q, false), dk(backend(), k, false), dv(backend(), v, false),
        out(backend(), t, 32, false);
    backend().attention(out.view(), {dq.view(), dk.view(), dv.view(), nullptr, 1, 3, 1, 1, 32, 0.4f, 0});
    for (int64_t row = 0; row < t; ++row) {
      for (int64_t i = 0; i < 32; ++i) EXPECT_EQ(out.host().at(row, i), v.at(1, i));
    }
  }
}

TEST_P(ModelContract, SiluMultiply) {
  for (const int64_t width : {32, 96, 160, 17, 1}) {
    for (const int64_t rows : {0, 1, 3, 65}) {
      Host x = random_host(rows, 2 * width, 1, 5.0f);
      const float extremes[] = {0.0f,   100.0f, -100.0f, 1e4f,   -1e4f,  87.5f,
                                -87.5f, 88.5f,  -88.5f,  1e-20f, -20.0f, 20.0f};
      for (int64_t i = 0; i < rows * width; ++i) {
        if (i % 3 == 0) x.at(i / width, i % width) = extremes[static_cast<size_t>(i / 3) % std::size(extremes)];
      }
      const Placed in(backend(), x, true), out(backend(), rows, width, true);
      backend().silu_multiply(out.view(), in.view());
      Host want(rows, width);
      reference::silu_multiply(want.view(), x.view());
      expect_close("silu_multiply", out.host().values, want.values, [&](size_t i) {
        const int64_t row = static_cast<int64_t>(i) / width, col = static_cast<int64_t>(i) % width;
        // exp within 2 ulp; gates below −88 give less than 1e-33 and may be flushed or clamped.
        return (10 * kEps + 2 * activation_eps()) * std::abs(want.values[i]) +
               1e-33 * std::abs(x.at(row, width + col)) + (activation_eps() > kEps ? 0x1p-24 : 0.0);
      });
    }
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
    for (const int64_t rows : {1, 40}) {
      Host x = random_host(rows, 64, 1), angle(rows, 16, 1.0f);
      for (float& value : x.values) value = value > 2.0f ? bad : value;
      x.at(0, 3) = bad;
      const Placed in(backend(), x, true), out(backend(), rows, 32, true), norm(backend(), rows, 64, true);
      const Placed c(backend(), DType::kF32, angle, false), copy(backend(), x, true);
      backend().silu_multiply(out.view(), in.view());
      backend().rms_norm(norm.view(), in.view(), ones.view(), 1e-5f);
      EXPECT_FALSE(all_finite(backend(), norm.view()));
      backend().attention(out.view(), {in.view().column_range(0, 32), in.view().column_range(0, 32),
                                       in.view().column_range(0, 32), nullptr, 1, 0, 1, 1, 32, 1.0f, 0});
      EXPECT_FALSE(all_finite(backend(), out.view()));
      const Placed sum(backend(), DType::kF32, x, true);
      backend().cross_entropy(sum.view(), std::vector<int>(static_cast<size_t>(rows), 0));
      backend().rope(copy.view(), 32, c.view(), c.view());
      EXPECT_FALSE(all_finite(backend(), copy.view()));
      backend().add(sum.view(), norm.view());
      EXPECT_FALSE(all_finite(backend(), sum.view()));
    }
  }
}

GPTQ_EVERY_BACKEND(ModelContract);

const auto* const kPrintWorstRatios = testing::AddGlobalTestEnvironment(new PrintWorstRatios);

}  // namespace
}  // namespace gptq
