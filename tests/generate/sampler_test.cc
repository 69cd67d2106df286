// The uniforms that tokens are drawn at.
#include "generate/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include <gptq/error.h>

namespace gptq::generate {
namespace {

std::vector<double> uniforms(uint64_t seed, int count = 1000) {
  Sampling sampling;
  sampling.seed = seed;
  Sampler sampler(sampling);
  std::vector<double> result;
  for (int i = 0; i < count; ++i) result.push_back(sampler.next_uniform());
  return result;
}

TEST(Sampler, SameSeedSamePoints) {
  EXPECT_EQ(uniforms(5), uniforms(5));
  EXPECT_NE(uniforms(5), uniforms(6));
}

TEST(Sampler, PointsAreUniform) {
  double sum = 0, squares = 0;
  for (const double uniform : uniforms(1, 100000)) {
    ASSERT_GE(uniform, 0);
    ASSERT_LT(uniform, 1);
    sum += uniform / 100000;
    squares += uniform * uniform / 100000;
  }
  EXPECT_NEAR(sum, 0.5, 0.004);  // four standard deviations
  EXPECT_NEAR(squares, 1.0 / 3, 0.004);
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
}  // namespace gptq::generate
