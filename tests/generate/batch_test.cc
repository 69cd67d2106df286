// Several requests together: each gets the answer that it would get alone.
#include <gptq/engine.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "tests/checkpoint/model_files.h"
#include "tests/generate/demo.h"

namespace gptq::generate {
namespace {

class BatchTest : public ::testing::Test {
 protected:
  static Engine& engine() {
    static Engine instance = Engine::open(kDemo, {.device = "cpu"});
    return instance;
  }
  static std::vector<TokenId> encode(const std::string& text) { return engine().tokenizer().encode(text); }

  // Prompts of different lengths, limits, seeds and stops.
  static std::vector<Request> requests(int count) {
    const std::string text = read_file(kDemo + "/eval.txt");
    std::vector<Request> all;
    for (int i = 0; i < count; ++i) {
      Request r;
      r.tokens = encode(text.substr(static_cast<size_t>(i) * 90, static_cast<size_t>(10 + 37 * (i % 11))));
      r.max_new_tokens = i % 5 == 4 ? 0 : 3 + i * 7 % 20;
      r.ignore_eos = i % 3 != 0;
      r.keep_special_tokens = i % 4 == 1;
      r.sampling.temperature = i % 2 == 0 ? 0.0f : 0.9f;
      r.sampling.repetition_penalty = i % 3 == 1 ? 1.2f : 1.0f;
      r.sampling.seed = static_cast<uint64_t>(i);
      if (i % 4 == 3) r.stop = {"e", " the"};
      all.push_back(r);
    }
    return all;
  }

  static void expect_same(const Result& got, const Result& want, size_t i) {
    EXPECT_EQ(got.tokens, want.tokens) << i;
    EXPECT_EQ(got.text, want.text) << i;
    EXPECT_EQ(to_string(got.finish_reason), to_string(want.finish_reason)) << i;
    EXPECT_EQ(got.new_tokens, want.new_tokens) << i;
    EXPECT_EQ(got.prompt_tokens, want.prompt_tokens) << i;
    EXPECT_EQ(got.seed, want.seed) << i;
  }
};

TEST_F(BatchTest, EveryRequestAsIfAlone) {
  const std::vector<Request> all = requests(75);  // more than run at once
  const std::vector<Result> together = engine().generate(all);
  ASSERT_EQ(together.size(), all.size());
  for (size_t i = 0; i < all.size(); ++i)
    expect_same(together[i], Engine::open(kDemo, {.device = "cpu"}).generate(all[i]), i);
}

TEST_F(BatchTest, EventsAddUpToTheResults) {
  const std::vector<Request> all = requests(12);
  std::vector<std::string> texts(all.size());
  std::vector<std::vector<TokenId>> tokens(all.size());
  const std::vector<Result> results = engine().generate(all, [&](const TokenEvent& event) {
    texts[event.request] += event.text;
    if (event.token >= 0) tokens[event.request].push_back(event.token);
    return true;
  });
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(texts[i], results[i].text) << i;
    EXPECT_EQ(tokens[i], results[i].tokens) << i;
  }
}

TEST_F(BatchTest, CancellingOneLeavesTheOthers) {
  std::vector<Request> all = requests(6);
  for (Request& r : all) {
    r.max_new_tokens = 12;
    r.ignore_eos = true;
    r.stop.clear();
  }
  const std::vector<Result> whole = engine().generate(all);
  int seen = 0;
  const std::vector<Result> results =
      engine().generate(all, [&](const TokenEvent& event) { return event.request != 2 || ++seen < 4; });
  for (size_t i = 0; i < all.size(); ++i) {
    if (i == 2) continue;
    expect_same(results[i], whole[i], i);
  }
  EXPECT_EQ(to_string(results[2].finish_reason), "cancelled");
  EXPECT_EQ(results[2].tokens, std::vector<TokenId>(whole[2].tokens.begin(), whole[2].tokens.begin() + 4));
}

TEST_F(BatchTest, AStopRequestEndsAllWithinAToken) {
  std::vector<Request> all = requests(70);
  for (Request& r : all) r.max_new_tokens = 100, r.ignore_eos = true, r.stop.clear();
  std::stop_source source;
  size_t after = 0;
  const std::vector<Result> results = engine().generate(
      all,
      [&](const TokenEvent&) {
        if (source.stop_requested()) ++after;
        source.request_stop();
        return true;
      },
      source.get_token());
  EXPECT_LT(after, all.size());
  for (const Result& result : results) EXPECT_EQ(to_string(result.finish_reason), "cancelled");
}

TEST_F(BatchTest, StopTokensOfTheRequestReplaceThoseOfTheModel) {
  Request r;
  r.tokens = encode("The old man looked at the");
  r.max_new_tokens = 8;
  const Result whole = engine().generate(r);
  ASSERT_EQ(whole.tokens.size(), 8u);
  r.stop_tokens = {{whole.tokens[3], 999}};
  const Result stopped = engine().generate(r);
  const auto first = std::find(whole.tokens.begin(), whole.tokens.end(), whole.tokens[3]);
  EXPECT_EQ(stopped.tokens, std::vector<TokenId>(whole.tokens.begin(), first));
  EXPECT_EQ(to_string(stopped.finish_reason), "stop");
  r.tokens = encode("[INST] How are you today?[/INST]");
  r.stop_tokens = std::vector<TokenId>();
  r.max_new_tokens = 60;
  EXPECT_EQ(engine().generate(r).new_tokens, 60);
}

TEST_F(BatchTest, NothingToDoAndBadRequests) {
  EXPECT_TRUE(engine().generate(std::vector<Request>()).empty());
  std::vector<Request> all = requests(3);
  all[1].tokens.clear();
  testing::expect_error(ErrorKind::kUsage, {"empty"}, [&] { engine().generate(all); });
  all[1].tokens = {1};
  all[1].sampling.top_p = 0;
  testing::expect_error(ErrorKind::kUsage, {"top_p"}, [&] { engine().generate(all); });
  std::vector<Request> many = requests(70);  // more than run at once: checked before the first one runs
  many[69].sampling.top_p = 0;
  bool ran = false;
  const auto note = [&](const TokenEvent&) { return ran = true; };
  testing::expect_error(ErrorKind::kUsage, {"top_p"}, [&] { engine().generate(many, note); });
  EXPECT_FALSE(ran);
  all[1].sampling.top_p = 1;
  const std::vector<Result> results = engine().generate(all);
  expect_same(results[0], engine().generate(all[0]), 0);
}

TEST_F(BatchTest, ScoresAreThoseOfTheLogits) {
  const std::vector<TokenId> tokens = encode("It was a bright cold day in April, and the clocks were striking.");
  const std::vector<float> logits = engine().logits(tokens);
  const std::vector<TokenScore> scores = engine().score(tokens, 3);
  ASSERT_EQ(scores.size(), tokens.size() - 3);
  const auto width = static_cast<size_t>(engine().vocab_size());
  for (size_t i = 3; i < tokens.size(); ++i) {
    const auto row = logits.begin() + static_cast<std::ptrdiff_t>((i - 1) * width);
    double sum = 0;
    for (size_t v = 0; v < width; ++v) sum += std::exp(double{row[static_cast<std::ptrdiff_t>(v)]});
    EXPECT_NEAR(scores[i - 3].log_prob, row[tokens[i]] - std::log(sum), 1e-4);
    EXPECT_EQ(scores[i - 3].most_likely, std::max_element(row, row + static_cast<std::ptrdiff_t>(width)) - row);
  }
  testing::expect_error(ErrorKind::kUsage, {"first is 0"}, [&] { engine().score(tokens, 0); });
  EXPECT_TRUE(engine().score({5}, 1).empty());
}

}  // namespace
}  // namespace gptq::generate
