// The sampling chain, step by step.
#include "generate/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include <gptq/error.h>

namespace gptq {
namespace {

const std::vector<float> kLogits = {1.0f, 3.0f, 2.0f, -1.0f, 2.5f};

TokenId draw(const Sampling& sampling, std::vector<TokenId> seen = {}, int vocab_size = 5) {
  std::vector<float> logits = kLogits;
  return Sampler(sampling).sample(logits, seen, vocab_size);
}

std::map<TokenId, int> histogram(Sampling sampling, int draws = 4000) {
  Sampler sampler(sampling);
  std::map<TokenId, int> counts;
  for (int i = 0; i < draws; ++i) {
    std::vector<float> logits = kLogits;
    ++counts[sampler.sample(logits, {}, 5)];
  }
  return counts;
}

TEST(Sampler, GreedyTakesTheMostLikely) { EXPECT_EQ(draw({}), 1); }

TEST(Sampler, PaddingOfTheVocabularyIsNeverChosen) { EXPECT_EQ(draw({}, {}, 1), 0); }

TEST(Sampler, RepetitionPenaltyDividesPositiveAndMultipliesNegativeLogits) {
  Sampling s;
  s.repetition_penalty = 1.3f;
  EXPECT_EQ(draw(s, {1}), 4);     // 3 / 1.3 < 2.5
  EXPECT_EQ(draw(s, {1, 4}), 1);  // 2.5 / 1.3 < 3 / 1.3
  std::vector<float> logits = {-1.0f, -1.2f};
  EXPECT_EQ(Sampler(s).sample(logits, std::vector<TokenId>{0, 0}, 2), 1);  // −1.3 once, however often it was seen
}

TEST(Sampler, DrawsFollowTheSoftmax) {
  Sampling s;
  s.temperature = 1;
  const auto counts = histogram(s, 20000);
  double total = 0;
  for (float logit : kLogits) total += std::exp(logit);
  for (int id = 0; id < 5; ++id) {
    const double expected = std::exp(kLogits[static_cast<size_t>(id)]) / total;
    const double seen = counts.count(id) ? counts.at(id) / 20000.0 : 0.0;
    EXPECT_NEAR(seen, expected, 4 * std::sqrt(expected / 20000)) << id;  // four standard deviations
  }
}

TEST(Sampler, TemperatureSharpens) {
  Sampling cold, hot;
  cold.temperature = 0.2f;
  hot.temperature = 2.0f;
  EXPECT_GT(histogram(cold)[1], histogram(hot)[1] + 500);
}

TEST(Sampler, TopKTopPAndMinPCutTheTail) {
  Sampling s;
  s.temperature = 1;
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

TEST(Sampler, SameSeedSameDraws) {
  Sampling s;
  s.temperature = 1;
  s.seed = 5;
  EXPECT_EQ(histogram(s), histogram(s));
  Sampling other = s;
  other.seed = 6;
  EXPECT_NE(histogram(s), histogram(other));
}

TEST(Sampler, RefusesImpossibleSettings) {
  for (const auto& change : std::vector<void (*)(Sampling&)>{
           [](Sampling& s) { s.temperature = -1; }, [](Sampling& s) { s.top_k = -1; }, [](Sampling& s) { s.top_p = 0; },
           [](Sampling& s) { s.top_p = 1.5f; }, [](Sampling& s) { s.min_p = 2; },
           [](Sampling& s) { s.repetition_penalty = 0; }, [](Sampling& s) { s.temperature = NAN; }}) {
    Sampling s;
    change(s);
    EXPECT_THROW(Sampler{s}, Error);
  }
}

}  // namespace
}  // namespace gptq
