// The sampling chain on the host: each step of it, and all of them against plain loops in double precision.
#include "backend/sampling/sample.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <set>
#include <vector>

namespace gptq::backend {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
const std::vector<float> kLogits = {1.0f, 3.0f, 2.0f, -1.0f, 2.5f};

int choose(std::vector<float> logits, const Sampling& sampling, double uniform = 0, std::vector<int> seen = {}) {
  return sample_token(logits, seen, sampling, uniform);
}

// How often each id is drawn from uniforms that lie evenly in [0, 1).
std::map<int, int> histogram(const Sampling& sampling, int draws = 4000) {
  std::map<int, int> counts;
  for (int i = 0; i < draws; ++i) ++counts[choose(kLogits, sampling, (i + 0.5) / draws)];
  return counts;
}

// The chain by its definition.
int plain_choice(std::vector<float> logits, const std::vector<int>& seen, const Sampling& s, double uniform,
                 double top_p) {
  for (const int id : std::set<int>(seen.begin(), seen.end())) {
    float& logit = logits[static_cast<size_t>(id)];
    logit = logit > 0 ? logit / s.repetition_penalty : logit * s.repetition_penalty;
  }
  std::vector<int> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto logit = [&](int id) { return double{logits[static_cast<size_t>(id)]} / s.temperature; };
  std::stable_sort(ids.begin(), ids.end(), [&](int a, int b) { return logit(a) > logit(b); });
  if (s.top_k > 0) ids.resize(std::min(ids.size(), static_cast<size_t>(s.top_k)));
  const auto weight = [&](int id) { return std::exp(logit(id) - logit(ids[0])); };
  const auto total = [&] {
    return std::accumulate(ids.begin(), ids.end(), 0.0, [&](double sum, int id) { return sum + weight(id); });
  };
  const double nucleus = top_p * total();
  size_t kept = 0;
  for (double sum = 0; kept < ids.size() && (kept == 0 || (s.top_p < 1 ? sum < nucleus : true));) {
    sum += weight(ids[kept++]);
  }
  ids.resize(kept);
  std::erase_if(ids, [&](int id) { return weight(id) < s.min_p; });
  double rest = uniform * total();
  for (const int id : ids) {
    if (rest < weight(id)) return id;
    rest -= weight(id);
  }
  return ids.back();
}

TEST(Choose, GreedyTakesTheMostLikelyAndTheLowestOfEquals) {
  EXPECT_EQ(choose(kLogits, {}), 1);
  EXPECT_EQ(choose({1, 2, 2}, {}), 1);
}

TEST(Choose, RepetitionPenaltyDividesPositiveAndMultipliesNegativeLogits) {
  Sampling s;
  s.repetition_penalty = 1.3f;
  EXPECT_EQ(choose(kLogits, s, 0, {1}), 4);               // 3 / 1.3 < 2.5
  EXPECT_EQ(choose(kLogits, s, 0, {1, 4}), 1);            // 2.5 / 1.3 < 3 / 1.3
  EXPECT_EQ(choose({-1.0f, -1.2f}, s, 0, {0, 0}), 1);     // −1.3 once, however often it was seen
  EXPECT_EQ(choose({-1.0f, -1.4f}, s, 0, {0, 0, 7}), 0);  // 7 is no id here
}

TEST(Choose, DrawsFollowTheSoftmax) {
  constexpr int kDraws = 200000, kIds = 400;
  Sampling s;
  s.temperature = 0.9f;
  std::mt19937_64 random(3);
  std::normal_distribution<float> normal(0, 2);
  std::vector<float> logits(kIds);
  for (float& logit : logits) logit = normal(random);
  double total = 0;
  for (const float logit : logits) total += std::exp(double{logit} / s.temperature);
  std::vector<int> counts(kIds);
  for (int i = 0; i < kDraws; ++i) {
    ++counts[static_cast<size_t>(choose(logits, s, static_cast<double>(random() >> 11) * 0x1p-53))];
  }
  double chi_square = 0;
  for (size_t id = 0; id < kIds; ++id) {
    const double expected = kDraws * std::exp(double{logits[id]} / s.temperature) / total;
    chi_square += std::pow(counts[id] - expected, 2) / expected;
  }
  EXPECT_LT(chi_square, kIds - 1 + 4 * std::sqrt(2.0 * (kIds - 1)));  // four standard deviations
}

TEST(Choose, TemperatureSharpens) {
  Sampling cold, hot;
  cold.temperature = 0.2f;
  hot.temperature = 2.0f;
  EXPECT_GT(histogram(cold)[1], histogram(hot)[1] + 500);
}

TEST(Choose, TopKTopPAndMinPCutTheTail) {
  Sampling s;
  s.temperature = 1;
  EXPECT_EQ(histogram(s).size(), 5u);
  s.top_k = 2;
  EXPECT_EQ(histogram(s).size(), 2u);
  s.top_k = 0;
  s.top_p = 0.5f;  // the best alone has 0.47
  EXPECT_EQ(histogram(s).size(), 2u);
  s.top_p = 0.4f;
  EXPECT_EQ(histogram(s).size(), 1u);
  s.top_p = 1;
  s.min_p = 0.5f;  // e^-0.5 = 0.61 stays, e^-1 = 0.37 goes
  EXPECT_EQ(histogram(s).size(), 2u);
}

TEST(Choose, AgreesWithThePlainChain) {
  std::mt19937_64 random(11);
  int compared = 0;
  for (const float spread : {0.5f, 3.0f, 8.0f}) {
    std::normal_distribution<float> normal(0, spread);
    for (int round = 0; round < 200; ++round) {
      std::vector<float> logits(1 + random() % 700);
      for (float& logit : logits) logit = normal(random);
      const auto pick = [&](auto... values) {
        const auto list = {values...};
        return *(list.begin() + random() % list.size());
      };
      Sampling s;
      s.temperature = pick(0.3f, 1.0f, 2.0f);
      s.top_k = pick(0, 0, 1, 5, 40, 100000);
      s.top_p = pick(1.0f, 0.95f, 0.5f, 0.01f);
      s.min_p = pick(0.0f, 0.0f, 0.05f, 0.7f);
      s.repetition_penalty = pick(1.0f, 1.3f, 0.8f);
      std::vector<int> seen;
      for (int i = 0; i < 20; ++i) seen.push_back(static_cast<int>(random() % logits.size()));
      const double uniform = static_cast<double>(random() >> 11) * 0x1p-53;
      std::set<int> expected;  // rounding may move the cut and the uniform this far
      for (const double cut : {-1e-6, 1e-6}) {
        for (const double shift : {-1e-6, 1e-6}) {
          expected.insert(plain_choice(logits, seen, s, std::clamp(uniform + shift, 0.0, 1.0), s.top_p * (1 + cut)));
        }
      }
      EXPECT_TRUE(expected.count(choose(logits, s, uniform, seen))) << compared;
      ++compared;
    }
  }
}

TEST(Choose, OrderIsByFallingLogitThenByRisingId) {
  Sampling s;
  s.temperature = 1;
  EXPECT_EQ(choose({1, 2, 1, 2}, s, 0.0), 1);
  EXPECT_EQ(choose({1, 2, 1, 2}, s, 0.5), 3);
  EXPECT_EQ(choose({1, 2, 1, 2}, s, 0.8), 0);
  EXPECT_EQ(choose({1, 2, 1, 2}, s, 0.999), 2);
  EXPECT_EQ(choose({2, 2}, s, 0.5), 1);  // the first one's half ends in front of it
  s.min_p = 1;                           // equals of the best stay
  EXPECT_EQ(choose({1, 2, 1, 2}, s, 0.999), 3);
  s.top_k = 1;
  EXPECT_EQ(choose({1, 2, 1, 2}, s, 0.999), 1);
}

TEST(Choose, LogitsThatAreNoNumbers) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const float temperature : {0.0f, 1.0f}) {
    Sampling s;
    s.temperature = temperature;
    for (const double uniform : {0.0, 0.5, 1 - 0x1p-53}) {
      EXPECT_EQ(choose({nan, -kInfinity, 1, nan}, s, uniform), 2);
      EXPECT_EQ(choose({0, kInfinity, 1}, s, uniform), kNoToken);
      EXPECT_EQ(choose({nan, nan, -kInfinity}, s, uniform), kNoToken);
      EXPECT_EQ(choose({nan, nan, nan}, s, uniform), kNoToken);
    }
  }
}

TEST(Choose, MassIsTwoToTheMinusDepth) {
  EXPECT_EQ(weight_of(0), kMaxWeight);
  EXPECT_EQ(weight_of(1u << 26), kMaxWeight / 2);
  EXPECT_EQ(weight_of(kLogGaps - 1), 1u);
  EXPECT_EQ(weight_of(kLogGaps), 0u);
  for (uint32_t log_gap = 0; log_gap < 8u << 26; log_gap += 997) {
    const double expected = std::exp2(-double{static_cast<double>(log_gap)} * 0x1p-26) * 0x1p40;
    ASSERT_NEAR(static_cast<double>(weight_of(log_gap)), expected, 1e-7 * expected + 1) << log_gap;
    ASSERT_GE(weight_of(log_gap), weight_of(log_gap + 1)) << log_gap;
  }
}

}  // namespace
}  // namespace gptq::backend
