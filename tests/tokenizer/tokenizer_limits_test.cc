// tokenizer.json files of a few kilobytes whose components multiply text: each is refused, with the component's name.
#include <gtest/gtest.h>

#include <gptq/error.h>

#include "tests/tokenizer/make_tokenizer.h"

namespace gptq::tokenizer {
namespace {

const std::string kModel = R"("model":{"type":"WordLevel","unk_token":"?","vocab":{"?":0,"a":1}}})";

std::string sequence(const std::string& key, const std::string& list, const std::string& part, int times) {
  std::string json = "\"" + key + R"(":{"type":"Sequence",")" + list + "\":[";
  for (int i = 0; i < times; ++i) json += (i > 0 ? "," : "") + part;
  return json + "]},";
}

template <typename Work>
void expect_refused(const Work& work, const std::string& named) {
  try {
    work();
    ADD_FAILURE() << named;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kVerification);
    const std::string what = error.what();
    EXPECT_NE(what.find("tokenizer.json: " + named), std::string::npos) << what;
    EXPECT_LT(what.size(), 600u);
  }
}

const std::string kDouble = R"({"type":"Replace","pattern":{"String":"a"},"content":"aa"})";

TEST(TokenizerLimits, Normalizers) {
  // Each of the first ones makes the text longer by itself, those behind it do so again and again.
  for (const std::string& part :
       {kDouble, std::string(R"({"type":"Replace","pattern":{"String":""},"content":"aa"})"),
        R"({"type":"Replace","pattern":{"Regex":"."},"content":")" + std::string(3000, 'a') + "\"}",
        R"({"type":"Prepend","prepend":")" + std::string(60'000, 'a') + "\"}",
        std::string(R"({"type":"ByteLevel"})")}) {
    const Tokenizer t = make_tokenizer("{" + sequence("normalizer", "normalizers", part, 60) + kModel);
    const std::string text = part.find("ByteLevel") != std::string::npos ? "\u00e9" : "aaaa";
    expect_refused([&] { t.encode(text); }, "normalizer");
    expect_refused([&] { t.encode_with_offsets(text); }, "normalizer");
  }
  const Tokenizer t = make_tokenizer("{" + sequence("normalizer", "normalizers", kDouble, 60) + kModel);
  expect_refused([&] { t.encode("a"); }, "normalizer.normalizers[20] (Replace)");
}

TEST(TokenizerLimits, PreTokenizers) {
  const std::string one = R"({"type":"FixedLength","length":1})";
  const auto mark = [](const std::string& replacement) {
    return R"({"type":"Metaspace","replacement":")" + replacement + R"(","prepend_scheme":"always","split":false},)";
  };
  const std::string marks = mark("_") + one + "," + mark("-") + one;
  const std::string spaces = R"({"type":"ByteLevel","add_prefix_space":true,"use_regex":false},)" + one;
  for (const std::string& part : {marks, spaces}) {
    const Tokenizer t = make_tokenizer("{" + sequence("pre_tokenizer", "pretokenizers", part, 60) + kModel);
    expect_refused([&] { t.encode("aaaa"); }, "pre_tokenizer");
    expect_refused([&] { t.encode_with_offsets("aaaa"); }, "pre_tokenizer");
  }
}

TEST(TokenizerLimits, Decoders) {
  const std::string model = R"("model":{"type":"WordLevel","unk_token":"?","vocab":{"?":0,"a":1,"a a":2}}})";
  for (const std::string& part :
       {kDouble, std::string(R"({"type":"BPEDecoder","suffix":""})"),
        std::string(R"({"type":"CTC","pad_token":"","word_delimiter_token":"","cleanup":true})"),
        R"({"type":"Replace","pattern":{"Regex":"a"},"content":")" + std::string(3000, 'a') + "\"}"}) {
    const Tokenizer t = make_tokenizer("{" + sequence("decoder", "decoders", part, 60) + model);
    expect_refused([&] { t.decode({1, 2, 2}); }, "decoder");
    StreamingDecoder decoder(t);
    expect_refused(
        [&] {
          for (const TokenId id : {2, 2, 2, 2}) decoder.push(id);
        },
        "decoder");
  }
}

TEST(TokenizerLimits, PostProcessors) {
  const std::string twice = R"({"type":"TemplateProcessing","single":[{"Sequence":{"id":"A"}},{"Sequence":{"id":"A"}}],
      "special_tokens":{}})";
  const std::string many =
      R"({"type":"TemplateProcessing","single":[{"Sequence":{"id":"A"}},{"SpecialToken":{"id":"x"}},
      {"SpecialToken":{"id":"x"}}],"special_tokens":{"x":{"ids":[)" +
      [] {
        std::string ids = "0";
        for (int i = 0; i < 2000; ++i) ids += ",0";
        return ids;
      }() +
      "]}}}";
  for (const std::string& part : {twice, many}) {
    expect_refused([&] { make_tokenizer("{" + sequence("post_processor", "processors", part, 60) + kModel); },
                   "post_processor.processors[");
  }
  const Tokenizer t = make_tokenizer("{" + sequence("post_processor", "processors", twice, 4) + kModel);
  EXPECT_EQ(t.encode("a").size(), 16u);
  EXPECT_EQ(t.encode_with_offsets("a").ids, t.encode("a"));
}

TEST(TokenizerLimits, AddedTokens) {
  std::string tokens = "\"added_tokens\":[";
  for (int i = 0; i < 100; ++i) {
    tokens += (i > 0 ? "," : "") + std::string(R"({"content":"a)") + std::to_string(i) + R"(","normalized":true})";
  }
  tokens += "],";
  expect_refused([&] { make_tokenizer("{" + tokens + sequence("normalizer", "normalizers", kDouble, 60) + kModel); },
                 "normalizer.normalizers[");
  const std::string large = R"("added_tokens":[{"content":")" + std::string(9 << 20, 'b') + R"("}],)";
  expect_refused([&] { make_tokenizer("{" + large + kModel); }, "added_tokens");
}

TEST(TokenizerLimits, NumberOfComponents) {
  for (const auto& [key, list, part] : {std::tuple{"normalizer", "normalizers", R"({"type":"NFC"})"},
                                        std::tuple{"pre_tokenizer", "pretokenizers", R"({"type":"BertPreTokenizer"})"},
                                        std::tuple{"decoder", "decoders", R"({"type":"Fuse"})"},
                                        std::tuple{"post_processor", "processors", R"({"type":"ByteLevel"})"}}) {
    EXPECT_NO_THROW(make_tokenizer("{" + sequence(key, list, part, 900) + kModel));
    expect_refused(
        [&, key = key, list = list, part = part] { make_tokenizer("{" + sequence(key, list, part, 1100) + kModel); },
        key);
  }
}

// What real files do at most to a text is far within the bounds.
TEST(TokenizerLimits, TheLongestRealGrowthIsAllowed) {
  const Tokenizer t = make_tokenizer(
      R"({"normalizer":{"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Replace","pattern":{"String":" "},
      "content":"▁"},{"type":"ByteLevel"}]},"pre_tokenizer":{"type":"Metaspace","replacement":"▁",
      "prepend_scheme":"always"},)" +
      kModel);
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += "\uFDFA";  // one character that NFKC makes eighteen
  EXPECT_GE(t.encode(text).size(), 1u);
}

TEST(TokenizerLimits, WordsInBlocksAreTheSameWords) {
  // More words than one block holds, and a prefix that depends on where the text starts.
  const std::string parts = R"("pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},
      {"type":"Metaspace","replacement":"_","prepend_scheme":"first"},{"type":"FixedLength","length":2}]},)";
  const Tokenizer t = make_tokenizer(
      "{" + parts + R"("model":{"type":"WordLevel","unk_token":"?","vocab":{"?":0,"_a":1,"b":2,"ab":3}}})");
  std::string text;
  for (int i = 0; i < 50'000; ++i) text += "ab ";
  const Encoding encoding = t.encode_with_offsets(text);
  ASSERT_EQ(encoding.ids.size(), 50'001u);
  EXPECT_EQ(encoding.ids, t.encode(text));
  EXPECT_EQ(encoding.ids[0], 1);
  EXPECT_EQ(encoding.ids[1], 2);
  for (size_t i = 2; i < encoding.ids.size(); ++i) {
    ASSERT_EQ(encoding.ids[i], 3);
    ASSERT_EQ(encoding.offsets[i], (std::pair<size_t, size_t>{3 * (i - 1), 3 * (i - 1) + 2}));
  }
}

}  // namespace
}  // namespace gptq::tokenizer
