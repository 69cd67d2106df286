// The settings around a tokenizer, from tokenizer_config.json and the older files beside it.
#include "tokenizer/formats/tokenizer_config.h"
#include "core/json.h"

#include <gtest/gtest.h>

#include <gptq/error.h>

#include "tests/tokenizer/make_tokenizer.h"

namespace gptq::tokenizer {
namespace {

using Ids = std::vector<TokenId>;

// a, b, <s>, </s>; a frame of <s>.
const char* const kFramed = R"({"added_tokens":[{"content":"<s>","special":true},{"content":"</s>","special":true}],
  "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},{"Sequence":{"id":"A"}}],
                    "special_tokens":{"<s>":{"ids":[2]}}},
  "model":{"vocab":{"a":0,"b":1,"<s>":2,"</s>":3},"merges":[]}})";

TEST(TokenizerConfig, AddBosAndEosAreObeyedByTheClassesThatTransformersRebuilds) {
  const auto ids = [](const std::string& name) {
    return make_tokenizer(
               kFramed,
               R"({"bos_token":"<s>","eos_token":"</s>","add_bos_token":false,"add_eos_token":true)" + name + "}")
        .encode("a");
  };
  EXPECT_EQ(ids(""), (Ids{0, 3}));
  EXPECT_EQ(ids(R"(,"tokenizer_class":"LlamaTokenizerFast")"), (Ids{0, 3}));
  EXPECT_EQ(ids(R"(,"tokenizer_class":"GemmaTokenizer")"), (Ids{0, 3}));
  EXPECT_EQ(ids(R"(,"tokenizer_class":"PreTrainedTokenizerFast")"), (Ids{2, 0}));
  EXPECT_EQ(ids(R"(,"tokenizer_class":"Qwen2Tokenizer")"), (Ids{2, 0}));
}

TEST(TokenizerConfig, TokensAsStringsObjectsListsAndNames) {
  const Json json = parse_json(R"({"bos_token":"<s>","eos_token":{"__type":"AddedToken","content":"</s>","lstrip":true},
      "pad_token":null,"add_bos_token":true,"image_token":"<image>","additional_special_tokens":["<x>"],
      "extra_special_tokens":{"audio_token":"<audio>"},"model_max_length":1000000000000000019884624838656})",
                               "test");
  const TokenizerConfig config = read_tokenizer_config(json, "test");
  EXPECT_EQ(config.named("bos_token"), "<s>");
  EXPECT_EQ(config.named("eos_token"), "</s>");
  EXPECT_EQ(config.named("pad_token"), "");
  EXPECT_EQ(config.named("image_token"), "<image>");
  EXPECT_EQ(config.named("audio_token"), "<audio>");
  EXPECT_EQ(config.named_tokens.count("add_bos_token"), 0u);
  std::vector<std::string> contents;
  for (const AddedToken& token : config.control_tokens) {
    contents.push_back(token.content);
    EXPECT_TRUE(token.special);
    EXPECT_FALSE(token.normalized);
  }
  EXPECT_EQ(contents, (std::vector<std::string>{"<s>", "</s>", "<x>", "<audio>", "<image>"}));
}

TEST(TokenizerConfig, OlderFilesCountWhereTheConfigHasNoAddedTokens) {
  const testing::TempFolder folder;
  folder.write("special_tokens_map.json",
               R"({"bos_token":{"content":"<b>"},"additional_special_tokens":["<y>","<x>"]})");
  folder.write("added_tokens.json", R"({"<plain>":9,"<y>":8})");
  folder.write("tokenizer_config.json", R"({"bos_token":"<s>","additional_special_tokens":["<x>"]})");
  const TokenizerConfig config = read_tokenizer_config(folder.path());
  EXPECT_EQ(config.named("bos_token"), "<b>");
  std::vector<std::string> contents;
  for (const AddedToken& token : config.control_tokens) contents.push_back(token.content);
  EXPECT_EQ(contents, (std::vector<std::string>{"<y>", "<plain>", "<b>", "<x>", "<y>"}));
  EXPECT_TRUE(config.control_tokens[0].special);
  EXPECT_FALSE(config.control_tokens[1].special);
  EXPECT_TRUE(config.control_tokens[1].normalized);

  folder.write("tokenizer_config.json", R"({"bos_token":"<s>","added_tokens_decoder":{}})");
  const TokenizerConfig newer = read_tokenizer_config(folder.path());
  EXPECT_EQ(newer.named("bos_token"), "<s>");
  EXPECT_EQ(newer.control_tokens.size(), 1u);
}

TEST(TokenizerConfig, TheModelsConfigNamesClassAndVersion) {
  const testing::TempFolder folder;
  folder.write("config.json",
               R"({"model_type":"mistral","transformers_version":"4.40.0","tokenizer_class":"XTokenizerFast"})");
  const TokenizerConfig config = read_tokenizer_config(folder.path());
  EXPECT_EQ(config.model_type, "mistral");
  EXPECT_EQ(config.transformers_version, "4.40.0");
  EXPECT_EQ(config.tokenizer_class, "XTokenizer");
}

TEST(TokenizerConfig, WrongTypesAreRefused) {
  const testing::TempFolder folder;
  const auto refuse = [&](const std::string& name, const std::string& content) {
    folder.write(name, content);
    EXPECT_THROW(read_tokenizer_config(folder.path()), Error) << name;
    folder.write(name, "{}");
  };
  refuse("tokenizer_config.json", "[]");
  refuse("tokenizer_config.json", R"({"add_bos_token":"yes"})");
  refuse("tokenizer_config.json", R"({"bos_token":5})");
  refuse("special_tokens_map.json", "3");
  refuse("added_tokens.json", R"({"<x>":"1"})");
  refuse("config.json", R"({"model_type":1})");
}

TEST(Tokenizer, OneBosInFrontOfAPrompt) {
  const Tokenizer tokenizer = make_tokenizer(kFramed, R"({"bos_token":"<s>","eos_token":"</s>"})");
  EXPECT_EQ(tokenizer.encode("<s>a"), (Ids{2, 2, 0}));  // as the reference does
  EXPECT_EQ(tokenizer.encode_prompt("<s>a"), (Ids{2, 0}));
  EXPECT_EQ(tokenizer.encode_prompt("a"), (Ids{2, 0}));
  EXPECT_EQ(tokenizer.encode_prompt("<s><s>a"), (Ids{2, 2, 0}));
  EXPECT_EQ(tokenizer.encode_prompt(""), (Ids{2}));
  EXPECT_EQ(tokenizer.encode(Prompt{"<s>a", {}}), (Ids{2, 0}));
}

TEST(Tokenizer, SpacesAreCleanedUpOnlyWhenAskedFor) {
  const Tokenizer tokenizer = make_tokenizer(R"({"model":{"vocab":{"a":0,"b":1},"merges":[]}})",
                                             R"({"clean_up_tokenization_spaces":true,"additional_special_tokens":
                                                 ["I do n't know . It 's a ' b ' , they 're ?"]})");
  EXPECT_EQ(tokenizer.decode({2}, false), "I do n't know . It 's a ' b ' , they 're ?");
  EXPECT_EQ(tokenizer.decode({2}, false, true), "I don't know. It's a'b ', they're?");
}

}  // namespace
}  // namespace gptq::tokenizer
