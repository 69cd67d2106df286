// A GPU says what the CPU says: the demo model's logits, its greedy answers, and its quantization.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include <gptq/engine.h>
#include <gptq/error.h>

#include "tests/generate/demo.h"

namespace gptq::generate {
namespace {

const char* const kPrompts[] = {"The old man looked at the", "It was a dark and stormy night,",
                                "Mr. Holmes said that",      "She opened the door and",
                                "In the morning they",       "The capital of France",
                                "He had never seen",         "Once upon a time",
                                "My dear friend, I",         "What do you think of"};

class Devices : public ::testing::Test {
 protected:
  void SetUp() override {
    try {
      Device::parse("cuda:0");
    } catch (const Error& error) {
      GTEST_SKIP() << "not tested here: " << error.what();
    }
  }
};

TEST_F(Devices, LogitsAreClose) {
  Engine cpu = Engine::open(kDemo, {.device = "cpu"}), gpu = Engine::open(kDemo, {.device = "cuda:0"});
  for (const char* prompt : kPrompts) {
    const std::vector<TokenId> tokens = cpu.tokenizer().encode(prompt);
    const std::vector<float> want = cpu.logits(tokens), got = gpu.logits(tokens);
    ASSERT_EQ(want.size(), got.size());
    double difference = 0, size = 0;
    for (size_t i = 0; i < want.size(); ++i) {
      difference += std::pow(double{want[i]} - got[i], 2);
      size += std::pow(double{want[i]}, 2);
    }
    EXPECT_LE(std::sqrt(difference / size), 1e-2) << prompt;
    RecordProperty(prompt, std::to_string(std::sqrt(difference / size)));
  }
}

TEST_F(Devices, GreedyAnswersAreEqual) {
  Engine cpu = Engine::open(kDemo, {.device = "cpu"}), gpu = Engine::open(kDemo, {.device = "cuda:0"});
  for (const char* prompt : kPrompts) {
    Request request;
    request.tokens = cpu.tokenizer().encode(prompt);
    request.max_new_tokens = 16;
    EXPECT_EQ(gpu.generate(request).text, cpu.generate(request).text) << prompt;
  }
}

// The decode step keeps tokens, marks and settings of its own: every answer starts from any state.
TEST_F(Devices, TheSameAnswerAgainAndAfterOthers) {
  Engine gpu = Engine::open(kDemo, {.device = "cuda:0"});
  Request request;
  request.tokens = gpu.tokenizer().encode(kPrompts[0]);
  request.max_new_tokens = 300;  // past the first size of the cache
  request.ignore_eos = true;
  const std::string first = gpu.generate(request).text;
  Request other;
  other.tokens = gpu.tokenizer().encode(kPrompts[1]);
  other.sampling.temperature = 1.0f;
  other.sampling.repetition_penalty = 1.2f;
  const std::string drawn = gpu.generate(other).text;
  EXPECT_EQ(gpu.generate(request).text, first);
  EXPECT_EQ(gpu.generate(other).text, drawn);
  int pieces = 0;
  gpu.generate(request, [&](const std::string&) { return ++pieces < 5; });  // cancelled with steps on their way
  EXPECT_EQ(gpu.generate(request).text, first);
}

}  // namespace
}  // namespace gptq::generate
