// The engine on the demo model: greedy text, caching, stopping, perplexity.
#include <gptq/engine.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "backend/sampling/sample.h"
#include "generate/sampler.h"
#include "tests/checkpoint/model_files.h"
#include "tests/generate/demo.h"

namespace gptq::generate {
namespace {

class EngineTest : public ::testing::Test {
 protected:
  static Engine& engine() {
    static Engine instance = Engine::open(kDemo);
    return instance;
  }
  static Request request(const std::string& text, int count = 12) {
    Request r;
    r.tokens = engine().tokenizer().encode(text);
    r.max_new_tokens = count;
    r.ignore_eos = true;
    return r;
  }
};

TEST_F(EngineTest, GreedyFollowsTheLogits) {
  Request r = request("The old man looked at the", 8);
  const Result result = engine().generate(r);
  std::vector<TokenId> tokens = r.tokens;
  const size_t vocab = static_cast<size_t>(engine().vocab_size());
  for (const TokenId id : result.tokens) {
    const std::vector<float> logits = engine().logits(tokens);
    const auto last = logits.end() - static_cast<std::ptrdiff_t>(vocab);
    EXPECT_EQ(std::max_element(last, logits.end()) - last, id);
    tokens.push_back(id);
  }
  EXPECT_EQ(result.new_tokens, 8);
  EXPECT_EQ(result.finish_reason, FinishReason::kLength);
}

// One uniform of the generator for each token, and the chain over the logits of all tokens before it.
TEST_F(EngineTest, SampledTokensFollowTheLogitsAndThePoints) {
  Engine cpu = Engine::open(kDemo, {.device = "cpu"});
  for (Sampling sampling : std::vector<Sampling>{{.temperature = 1.0f},
                                                 {.temperature = 0.8f, .top_k = 40, .top_p = 0.9f, .min_p = 0.02f},
                                                 {.temperature = 1.5f, .top_p = 0.95f, .repetition_penalty = 1.3f},
                                                 {.repetition_penalty = 1.3f}}) {
    sampling.seed = 42;
    Request r = request("The old man looked at the", 40);
    r.sampling = sampling;
    const Result result = cpu.generate(r);
    Sampler sampler(sampling);
    std::vector<TokenId> tokens = r.tokens;
    for (const TokenId id : result.tokens) {
      const std::vector<float> logits = cpu.logits(tokens);
      std::vector<float> last(logits.end() - cpu.vocab_size(), logits.end());
      last.resize(static_cast<size_t>(std::min(cpu.vocab_size(), cpu.tokenizer().vocab_size())));
      ASSERT_EQ(id, backend::sample_token(last, tokens, sampling, sampler.next_uniform())) << tokens.size();
      tokens.push_back(id);
    }
    EXPECT_EQ(result.new_tokens, 40);
  }
}

// Launches run ahead of what is wanted at most, and nobody sees it.
TEST_F(EngineTest, SampledAnswersDoNotDependOnTheLaunchesAhead) {
  Request r = request("It was a dark and stormy night,", 40);
  r.sampling.temperature = 1.0f;
  r.sampling.repetition_penalty = 1.1f;
  r.sampling.seed = 3;
  const std::vector<TokenId> whole = engine().generate(r).tokens;
  for (const int count : {1, 2, 3, 6, 17}) {
    r.max_new_tokens = count;
    EXPECT_EQ(engine().generate(r).tokens, std::vector<TokenId>(whole.begin(), whole.begin() + count));
  }
  r.max_new_tokens = 40;
  int pieces = 0;
  engine().generate(r, [&](const std::string&) { return ++pieces < 4; });  // cancelled with launches on their way
  EXPECT_EQ(engine().generate(r).tokens, whole);
  r.sampling.seed = 4;
  EXPECT_NE(engine().generate(r).tokens, whole);
}

TEST_F(EngineTest, StreamedPiecesAddUpToTheText) {
  std::string streamed;
  const Result result = engine().generate(request("It was", 40), [&](const std::string& piece) {
    streamed += piece;
    return true;
  });
  EXPECT_EQ(streamed, result.text);
  EXPECT_FALSE(result.text.empty());
}

TEST_F(EngineTest, CachedPrefixChangesNothing) {
  const Result first = engine().generate(request("Mr. Holmes said that he would go to", 10));
  Request longer = request("Mr. Holmes said that he would go to London with Watson", 10);
  const Result cached = engine().generate(longer);
  EXPECT_GT(cached.cached_tokens, 5);
  engine().logits({1, 2});  // forgets the cache
  const Result fresh = engine().generate(longer);
  EXPECT_EQ(fresh.cached_tokens, 0);
  EXPECT_EQ(cached.tokens, fresh.tokens);
}

TEST_F(EngineTest, EndOfSequenceEndsTheAnswerAndIsNotShown) {
  Request r;
  r.tokens = engine().tokenizer().encode("[INST] How are you today?[/INST]");
  r.max_new_tokens = 100;
  const Result result = engine().generate(r);
  EXPECT_EQ(result.finish_reason, FinishReason::kStop);
  EXPECT_EQ(result.tokens.size() + 1, static_cast<size_t>(result.new_tokens));
  EXPECT_EQ(result.text.find("</s>"), std::string::npos);
}

TEST_F(EngineTest, StopStringsAndCancelling) {
  Request r = request("He said that", 30);
  const std::string whole = engine().generate(r).text;
  r.stop = {whole.substr(10, 4)};
  const Result stopped = engine().generate(r);
  EXPECT_EQ(stopped.text, whole.substr(0, whole.find(r.stop[0])));
  EXPECT_EQ(stopped.finish_reason, FinishReason::kStop);
  r.stop.clear();
  const Result cancelled = engine().generate(r, [](const std::string&) { return false; });
  EXPECT_EQ(cancelled.finish_reason, FinishReason::kCancelled);
  EXPECT_LT(cancelled.new_tokens, 4);
}

TEST_F(EngineTest, AnswersEndAtTheContext) {
  Request r = request("x", 100000);
  while (r.tokens.size() < 504) r.tokens.push_back(r.tokens.back());
  EXPECT_EQ(engine().generate(r).new_tokens, 8);
  r.tokens.resize(512, r.tokens.back());
  testing::expect_error(ErrorKind::kUsage, {"512 tokens", "context"}, [&] { engine().generate(r); });
}

TEST_F(EngineTest, BadPrompts) {
  Request r;
  testing::expect_error(ErrorKind::kUsage, {"empty"}, [&] { engine().generate(r); });
  r.tokens = {1, 999999};
  testing::expect_error(ErrorKind::kVerification, {"999999", "4096"}, [&] { engine().generate(r); });
}

TEST_F(EngineTest, PerplexityIsItsDefinition) {
  const std::string text = read_file(kDemo + "/eval.txt").substr(0, 2500);
  const int window = 64;
  const PerplexityResult result = engine().perplexity(text, window);
  const std::vector<TokenId> tokens = engine().tokenizer().encode(text);
  const int64_t windows = static_cast<int64_t>(tokens.size()) / window;
  double total = 0;
  const int64_t vocab = engine().vocab_size();
  for (int64_t w = 0; w < windows; ++w) {
    const std::vector<TokenId> part(tokens.begin() + w * window, tokens.begin() + (w + 1) * window);
    const std::vector<float> logits = engine().logits(part);
    for (int64_t t = 0; t + 1 < window; ++t) {
      double sum = 0;
      for (int64_t v = 0; v < vocab; ++v) sum += std::exp(double{logits[static_cast<size_t>(t * vocab + v)]});
      total += std::log(sum) - logits[static_cast<size_t>(t * vocab + part[static_cast<size_t>(t + 1)])];
    }
  }
  EXPECT_EQ(result.windows, windows);
  EXPECT_EQ(result.tokens, windows * (window - 1));
  EXPECT_NEAR(result.perplexity, std::exp(total / static_cast<double>(result.tokens)), 1e-4 * result.perplexity);
  testing::expect_error(ErrorKind::kUsage, {"--window"}, [&] { engine().perplexity("Short.", 64); });
  testing::expect_error(ErrorKind::kUsage, {"4096", "512"}, [&] { engine().perplexity(text, 4096); });
}

TEST_F(EngineTest, ReadsTheFoldersDefaults) {
  EXPECT_EQ(engine().default_max_new_tokens(), 128);
  EXPECT_EQ(engine().default_sampling().temperature, 0.0f);
  EXPECT_EQ(engine().context_length(), 512);
  ASSERT_NE(engine().chat_template(), nullptr);
  EXPECT_EQ(engine().chat_template()->render({{"user", "Hi"}}).text, "<s>[INST] Hi[/INST]");
  EXPECT_GT(engine().weight_bytes(), 11'000'000);
}

TEST(EngineOpen, MissingAndBrokenFolders) {
  testing::expect_error(ErrorKind::kNotFound, {"nowhere"}, [] { Engine::open("/nowhere"); });
  const testing::TempFolder folder;
  testing::expect_error(ErrorKind::kNotFound, {"config.json"}, [&] { Engine::open(folder.path()); });
}

}  // namespace
}  // namespace gptq::generate
