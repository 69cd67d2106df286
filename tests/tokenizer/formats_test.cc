// Tokenizers in other files than tokenizer.json: which file is read, what is made of it, and what is refused.
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include <gptq/error.h>

#include "core/json.h"
#include "core/log.h"
#include "tests/tokenizer/make_tokenizer.h"
#include "tests/tokenizer/spm_bytes.h"
#include "tokenizer/components/base64.h"
#include "tokenizer/formats/mistral_pattern.h"
#include "tokenizer/formats/patterns.h"
#include "tokenizer/formats/splits.h"
#include "tokenizer/formats/tokenizer_source.h"

namespace gptq::tokenizer {
namespace {

using Ids = std::vector<TokenId>;
using Files = std::map<std::string, std::string>;

Tokenizer open(const Files& files) {
  const testing::TempFolder folder;
  for (const auto& [name, content] : files) folder.write(name, content);
  return Tokenizer::open(folder.path());
}

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string refusal(const Files& files) {
  return message_of([&] { open(files); });
}

// Pieces for "abc": 3 ▁, 4 a, 5 b, 6 c, 7 ab, 8 ▁ab, 9 bc, 10 <tool>.
const std::string kPieces = piece("▁", -10) + piece("a", -11) + piece("b", -12) + piece("c", -13) + piece("ab", -1) +
                            piece("▁ab", -2) + piece("bc", -3) + piece("<tool>", 0, 4);
const std::string kTokenizerJson = R"({"model":{"vocab":{"a":0,"b":1},"merges":[]}})";
const std::string kTekken =
    R"({"config":{"pattern":"\\p{L}+|\\s+","default_vocab_size":7,"default_num_special_tokens":4},
        "vocab":[{"rank":0,"token_bytes":"YQ=="},{"rank":1,"token_bytes":"Yg=="},{"rank":2,"token_bytes":"YWI="},
                 {"rank":3,"token_bytes":"YmI="}],
        "special_tokens":[{"rank":0,"token_str":"<unk>"},{"rank":1,"token_str":"<s>","is_control":true},
                          {"rank":2,"token_str":"</s>","is_control":true}]})";
const std::string kTiktoken = "YQ== 0\nYg== 1\r\nYWI= 2\n\nYWFi 3\n";  // a, b, ab, aab
const std::string kVocab = R"({"a":0,"b":1,"ab":2,"Ġ":3,"<|endoftext|>":4})";
const std::string kMerges = "#version: 0.2\na b\n";

TEST(TokenizerSource, TheFirstOfTheListIsRead) {
  Files files = {{"vocab.json", kVocab},    {"merges.txt", kMerges},
                 {"x.tiktoken", kTiktoken}, {"tokenizer.model", bpe_model(kPieces)},
                 {"tekken.json", kTekken},  {"tokenizer.json", kTokenizerJson}};
  EXPECT_EQ(open(files).vocab_size(), 2);
  files.erase("tokenizer.json");
  EXPECT_EQ(open(files).vocab_size(), 7);
  files.erase("tekken.json");
  EXPECT_EQ(open(files).vocab_size(), 11);
  files.erase("tokenizer.model");
  EXPECT_EQ(open(files).vocab_size(), 4);
  files.erase("x.tiktoken");
  EXPECT_EQ(open(files).vocab_size(), 5);
  files.erase("merges.txt");
  const std::string message = refusal(files);
  for (const char* name :
       {"tokenizer.json", "tekken.json", "tokenizer.model", ".tiktoken", "vocab.json", "merges.txt"}) {
    EXPECT_NE(message.find(name), std::string::npos) << message;
  }
}

TEST(TokenizerSource, SentencePieceMergesGoByScore) {
  const Tokenizer tokenizer = open({{"tokenizer.model", bpe_model(kPieces)}});
  EXPECT_EQ(tokenizer.encode("abc"), (Ids{1, 8, 6}));  // ab before bc; BOS and a space in front
  EXPECT_EQ(tokenizer.encode("bc", false), (Ids{3, 9}));
  EXPECT_EQ(tokenizer.decode({1, 8, 6, 2}), "abc");
  EXPECT_EQ(tokenizer.eos_id(), 2);
  EXPECT_EQ(tokenizer.encode("z", false), (Ids{3, 0}));
}

TEST(TokenizerSource, SentencePieceControlAndUserDefinedPieces) {
  const Tokenizer tokenizer = open({{"tokenizer.model", bpe_model(kPieces)}});
  EXPECT_EQ(tokenizer.encode("ab<tool>ab</s>", false), (Ids{8, 10, 8, 2}));
  EXPECT_TRUE(tokenizer.is_special(2));
  EXPECT_FALSE(tokenizer.is_special(10));
}

TEST(TokenizerSource, SentencePieceSettings) {
  const auto ids = [](const std::string& config, const std::string& text, const std::string& normalizer = "") {
    return open({{"tokenizer.model", bpe_model(kPieces, normalizer)}, {"tokenizer_config.json", config}}).encode(text);
  };
  EXPECT_EQ(ids(R"({"legacy":false})", "ab<tool>ab"), (Ids{1, 8, 10, 7}));
  EXPECT_EQ(ids(R"({"legacy":null,"add_prefix_space":null})", "ab<tool>ab"), (Ids{1, 8, 10, 8}));
  EXPECT_EQ(ids(R"({"add_prefix_space":false})", "ab"), (Ids{1, 7}));
  EXPECT_EQ(ids(R"({"add_bos_token":false,"add_eos_token":true})", "ab"), (Ids{8, 2}));
  EXPECT_EQ(ids(R"({"tokenizer_class":"GemmaTokenizer"})", "ab<bos>"), (Ids{2, 7, 2}));  // pad, eos, bos
  // LlamaTokenizer does not look at the model's normalizer; a class without a converter follows it.
  const std::string no_prefix = number_field(3, 0) + number_field(4, 1);
  EXPECT_EQ(ids(R"({"tokenizer_class":"LlamaTokenizer"})", " ab", no_prefix), (Ids{1, 3, 8}));
  EXPECT_EQ(ids(R"({"tokenizer_class":"OtherTokenizer"})", " ab", no_prefix), (Ids{1, 7}));
  EXPECT_EQ(ids(R"({"tokenizer_class":"OtherTokenizer"})", " ab  c"), (Ids{1, 8, 3, 6}));
}

TEST(TokenizerSource, SentencePieceTokensUnderOtherNames) {
  const std::string config = R"({"bos_token":"<begin>","added_tokens_decoder":{
      "1":{"content":"<begin>","special":true,"normalized":false}}})";
  const Tokenizer tokenizer = open({{"tokenizer.model", bpe_model(kPieces)}, {"tokenizer_config.json", config}});
  EXPECT_EQ(tokenizer.vocab_size(), 11);
  EXPECT_EQ(tokenizer.encode("<begin>ab"), (Ids{1, 1, 8}));
  EXPECT_EQ(tokenizer.token(1), "<begin>");
}

TEST(TokenizerSource, BrokenSentencePieceModels) {
  const std::string good = bpe_model(kPieces);
  EXPECT_NE(refusal({{"tokenizer.model", good.substr(0, good.size() - 3)}}).find("extends past its message"),
            std::string::npos);
  const std::map<std::string, std::string> cases = {
      {std::string("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"), "extends past its message"},
      {std::string("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"), "more than ten bytes"},
      {std::string("\x0A\x80"), "an end inside a number"},
      {std::string("\x0B"), "the wire type 3"},
      {std::string("\x02\x01z"), "the field number 0"},
      {number_field(1, 5), "field 1 that is not bytes"},
      {piece("x", 0, 9), "the piece type 9"},
      {piece(""), "a piece that is not text"},
      {piece("\xFF"), "a piece that is not text"},
      {piece("x", std::bit_cast<float>(0x7FC00000u)), "score that is not a number"},
      {bytes_field(2, number_field(3, 2)), "no pieces"},
      {bpe_model(kPieces + bytes_field(2, number_field(24, 1))), "as suffixes"},
      {bpe_model(kPieces, number_field(5, 0)), "unescaped"},
      {bpe_model(kPieces + piece("ab")), "\"ab\" appears twice"},
      {bpe_model(kPieces + piece(std::string(1025, 'a'))), "1025 bytes"},
  };
  for (const auto& [bytes, expected] : cases) {
    const std::string message = refusal({{"tokenizer.model", bytes}});
    EXPECT_NE(message.find(expected), std::string::npos) << message;
    EXPECT_NE(message.find("tokenizer.model"), std::string::npos) << message;
  }
  EXPECT_NE(
      refusal({{"tokenizer.model", good}, {"tokenizer_config.json", R"({"tokenizer_class":"XLMRobertaTokenizer"})"}})
          .find("not supported without tokenizer.json"),
      std::string::npos);
}

TEST(TokenizerSource, MergesOfHostileVocabulariesAreBounded) {
  std::vector<std::string> tokens;
  for (size_t letter = 0; letter < 40; ++letter) {
    for (size_t length = 1; length <= 300; ++length)
      tokens.push_back(std::string(length, static_cast<char>('0' + letter)));
  }
  EXPECT_NE(message_of([&] { all_splits(tokens, false, "input"); }).find("damaged or malicious"), std::string::npos);
  tokens.resize(300);
  EXPECT_EQ(all_splits(tokens, false, "input").size(), 299u * 300 / 2);
}

TEST(TokenizerSource, TekkenNumbersTokensBehindTheControlTokens) {
  const Tokenizer tokenizer = open({{"tekken.json", kTekken}});
  EXPECT_EQ(tokenizer.encode("abb"), (Ids{1, 6, 5}));  // bb is behind the end of the vocabulary
  EXPECT_EQ(tokenizer.token(3), "<SPECIAL_3>");
  EXPECT_EQ(tokenizer.encode("</s>", false), (Ids{2}));
  EXPECT_EQ(tokenizer.eos_id(), 2);
  EXPECT_FALSE(tokenizer.is_special(4));
  std::string old = kTekken;
  old.replace(old.find("special_tokens\":["), 14, "unknown_tokens");
  EXPECT_EQ(open({{"tekken.json", old}}).token(3), "[INST]");
}

TEST(TokenizerSource, BrokenTekken) {
  const auto with = [](const std::string& from, const std::string& to) {
    std::string text = kTekken;
    return refusal({{"tekken.json", text.replace(text.find(from), from.size(), to)}});
  };
  EXPECT_NE(with("YmI=", "YmI").find("bytes in base64"), std::string::npos);
  EXPECT_NE(with("\"rank\":0", "\"rank\":-1").find("a rank from 0"), std::string::npos);
  EXPECT_NE(with("tokens\":4", "tokens\":2").find("below default_num_special_tokens"), std::string::npos);
  EXPECT_NE(with("size\":7", "size\":1").find("at least the control tokens"), std::string::npos);
  EXPECT_NE(with("tokens\":4", "tokens\":999999999").find("0 to 100000"), std::string::npos);
}

TEST(TokenizerSource, TiktokenUnderItsOwnNameAndAsTokenizerModel) {
  for (const char* name : {"x.tiktoken", "tokenizer.model", "tiktoken.model"}) {
    const Tokenizer tokenizer = open({{name, kTiktoken}});
    EXPECT_EQ(tokenizer.encode("aabab"), (Ids{3, 2})) << name;  // a whole token, and the lowest rank first
    EXPECT_EQ(tokenizer.decode({3, 2}), "aabab");
  }
  const std::string config =
      R"({"pattern":"a|[^a]+","extra_special_tokens":["<s>"],"bos_token":"<s>","add_bos_token":true})";
  EXPECT_EQ(open({{"x.tiktoken", kTiktoken}, {"tokenizer_config.json", config}}).encode("ab"), (Ids{4, 0, 1}));
}

TEST(TokenizerSource, BrokenTiktoken) {
  for (const char* line : {"YWI", "YWI= x", "YWI= -1", "YWI=  3", "= 3", "YWI= 99999999999", " 3", "Y=I= 3"}) {
    const std::string message = refusal({{"x.tiktoken", "YQ== 0\n" + std::string(line)}});
    EXPECT_NE(message.find("x.tiktoken, line 2: expected a token in base64"), std::string::npos) << line << message;
  }
  EXPECT_NE(refusal({{"x.tiktoken", "YQ== 0\nYg== 0\n"}}).find("id 0 of another token"), std::string::npos);
}

TEST(TokenizerSource, Base64RoundTrip) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(decode_base64(encode_base64(bytes)), bytes);
    bytes += static_cast<char>(i * 7);
  }
  EXPECT_EQ(encode_base64("ab"), "YWI=");
  for (const char* bad : {"Y", "YWI", "Y===", "====", "YW=I", "YW I", "YWI=YWI="})
    EXPECT_FALSE(decode_base64(bad)) << bad;
}

TEST(TokenizerSource, VocabAndMerges) {
  const Files files = {{"vocab.json", kVocab}, {"merges.txt", kMerges}};
  EXPECT_EQ(open(files).encode("ab ab"), (Ids{2, 3, 2}));
  EXPECT_EQ(open(files).bos_id(), 4);
  const auto with_config = [&](const std::string& config) {
    Files all = files;
    all["tokenizer_config.json"] = config;
    return open(all);
  };
  EXPECT_EQ(with_config(R"({"add_bos_token":true,"add_prefix_space":true})").encode("ab"), (Ids{4, 3, 2}));
  const Tokenizer qwen = with_config(R"({"tokenizer_class":"Qwen2TokenizerFast"})");
  EXPECT_EQ(qwen.bos_id(), -1);
  EXPECT_EQ(qwen.encode("ab ab"), (Ids{2, 3, 2}));
  EXPECT_EQ(open({{"encoder.json", kVocab}, {"vocab.bpe", kMerges}}).encode("ab"), (Ids{2}));
  EXPECT_NE(message_of([&] { with_config(R"({"tokenizer_class":"CLIPTokenizer"})"); }).find("CLIPTokenizer"),
            std::string::npos);
  EXPECT_NE(refusal({{"vocab.json", R"({"a":"b"})"}, {"merges.txt", ""}}).find("a token id"), std::string::npos);
  EXPECT_NE(refusal({{"vocab.json", kVocab}, {"merges.txt", "a b c\n"}}).find("one space between"), std::string::npos);
}

// A tokenizer.json of 100,001 tokens that begins with `pattern`.
TokenizerSource large_source(const char* pattern) {
  TokenizerConfig config;
  const Json json = {
      {"pre_tokenizer",
       {{"type", "Sequence"},
        {"pretokenizers", {{{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}}}}}},
      {"model", {{"vocab", Json::object()}, {"merges", Json::array()}}}};
  TokenizerSource source = read_tokenizer_json(json.dump(), "folder/tokenizer.json", config);
  for (int id = 0; id <= 100'000; ++id) source.tables.vocab.add(std::to_string(id), id);
  return source;
}

TEST(MistralPattern, TheKnownBadOneIsReplacedWithAWarning) {
  std::string warning;
  set_log_sink([&](LogLevel level, const std::string& message) {
    if (level == LogLevel::kWarning) warning = message;
  });
  const auto pattern_after = [&](const char* pattern, const std::function<void(TokenizerConfig&)>& change) {
    TokenizerConfig config;
    config.model_type = "mistral";
    config.transformers_version = "4.57.1";
    change(config);
    TokenizerSource source = large_source(pattern);
    warning.clear();
    repair_mistral_pattern(source, config);
    return (*source.json)["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"].get<std::string>();
  };
  const auto nothing = [](TokenizerConfig&) {};
  EXPECT_EQ(pattern_after(kLlama3Pattern, nothing), kTekkenPattern);
  EXPECT_NE(warning.find("folder/tokenizer.json"), std::string::npos);
  EXPECT_EQ(pattern_after(kLlama3Pattern, [](TokenizerConfig& c) { c.fix_mistral_regex = true; }), kTekkenPattern);
  EXPECT_EQ(warning, "");
  EXPECT_EQ(pattern_after(kLlama3Pattern, [](TokenizerConfig& c) { c.fix_mistral_regex = false; }), kLlama3Pattern);
  EXPECT_EQ(pattern_after(kLlama3Pattern, [](TokenizerConfig& c) { c.model_type = "llama"; }), kLlama3Pattern);
  EXPECT_EQ(pattern_after(kLlama3Pattern, [](TokenizerConfig& c) { c.transformers_version = "5.1.0"; }),
            kLlama3Pattern);
  EXPECT_EQ(pattern_after(kO200kPattern, nothing), kO200kPattern);
  EXPECT_EQ(warning, "");
  set_log_sink({});
}

}  // namespace
}  // namespace gptq::tokenizer
