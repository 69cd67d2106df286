// The union of tokens that end an answer.
#include "generate/stop_tokens.h"

#include <gtest/gtest.h>

#include "tests/tokenizer/make_tokenizer.h"

namespace gptq::generate {
namespace {

using Ids = std::set<TokenId>;

TEST(StopTokens, UnionOfConfigsTokenizerAndEndsOfTurns) {
  const std::string json =
      R"({"added_tokens":[{"content":"</s>","special":true},{"content":"<|im_end|>","special":true},
      {"content":"<end_of_turn>","special":false}],"model":{"vocab":{"a":0,"b":1},"merges":[]}})";
  const Tokenizer tokenizer = tokenizer::make_tokenizer(json, R"({"eos_token":"</s>"})");
  EXPECT_EQ(stop_tokens({}, {}, tokenizer), (Ids{2, 3}));
  EXPECT_EQ(stop_tokens({7}, {8, 9}, tokenizer), (Ids{2, 3, 7, 8, 9}));
  EXPECT_EQ(stop_tokens({}, {}, tokenizer::make_tokenizer(R"({"model":{"vocab":{"<|im_end|>":0},"merges":[]}})")),
            Ids{});
}

TEST(StopTokens, AMessageOfGptOssDoesNotEndTheAnswer) {
  const auto stops = [](const std::string& tokens) {
    return stop_tokens(
        {}, {}, tokenizer::make_tokenizer(R"({"added_tokens":[)" + tokens + R"(],"model":{"vocab":{},"merges":[]}})"));
  };
  const std::string end = R"({"content":"<|end|>","special":true})";
  EXPECT_EQ(stops(end), (Ids{0}));
  EXPECT_EQ(stops(end + R"(,{"content":"<|return|>","special":true})"), (Ids{1}));
}

}  // namespace
}  // namespace gptq::generate
