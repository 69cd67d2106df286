// The tokenizer as a whole: the demo model, BPE's rules, added tokens, post-processing, prompts, errors.
#include <gtest/gtest.h>

#include <gptq/error.h>
#include <gptq/tokenizer.h>

#include "tests/tokenizer/make_tokenizer.h"

namespace gptq::tokenizer {
namespace {

using Ids = std::vector<TokenId>;

const Tokenizer& demo() {
  static const Tokenizer kTokenizer = Tokenizer::open(std::string(GPTQ_SOURCE_DIR) + "/models/demo");
  return kTokenizer;
}

// A BPE model over the given vocabulary and merges, with further top-level parts.
std::string bpe(const std::string& vocab, const std::string& merges, const std::string& fields = "",
                const std::string& parts = "") {
  return R"({"version":"1.0",)" + parts + R"("model":{"type":"BPE","vocab":)" + vocab + R"(,"merges":)" + merges +
         fields + "}}";
}

const char* const kAbc = R"({"a":0,"b":1,"c":2,"ab":3,"bc":4,"abc":5,"<u>":6})";
const char* const kFuse = R"("decoder":{"type":"Fuse"},)";

std::string error_message(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Tokenizer, DemoModel) {
  const Ids ids = demo().encode("Hello world");
  EXPECT_EQ(ids.front(), demo().bos_id());
  EXPECT_EQ(demo().decode(ids), "Hello world");
  EXPECT_EQ(demo().vocab_size(), 4096);
  EXPECT_EQ(demo().bos_id(), 1);
  EXPECT_EQ(demo().eos_id(), 2);
  EXPECT_EQ(demo().token(3), "[INST]");
  EXPECT_EQ(demo().id_of("[/INST]"), 4);
  EXPECT_EQ(demo().id_of("no such token"), -1);
  EXPECT_EQ(demo().token(-1), "");
  EXPECT_EQ(demo().token(1'000'000), "");
  EXPECT_TRUE(demo().is_special(3));
  EXPECT_FALSE(demo().is_special(1000));
  EXPECT_EQ(demo().decode({1, 3, 999'999, 2}), "");
  EXPECT_EQ(demo().encode("", false), Ids{});
}

TEST(Tokenizer, InvalidUtf8BecomesReplacementCharacters) {
  EXPECT_EQ(demo().encode("a\xFF\xE4\xBD z"), demo().encode("a\xEF\xBF\xBD\xEF\xBF\xBD z"));
}

TEST(Tokenizer, MergesGoByRankThenFromTheLeft) {
  EXPECT_EQ(make_tokenizer(bpe(kAbc, R"(["b c","a b","a bc"])")).encode("abc"), (Ids{5}));
  EXPECT_EQ(make_tokenizer(bpe(kAbc, R"(["a b","b c"])")).encode("abc"), (Ids{3, 2}));
  const Tokenizer pairs = make_tokenizer(bpe(R"({"a":0,"aa":1})", R"([["a","a"]])"));
  EXPECT_EQ(pairs.encode("aaaaa"), (Ids{1, 1, 0}));
}

TEST(Tokenizer, BothFormsOfMerges) {
  const Tokenizer old_form = make_tokenizer(bpe(kAbc, R"(["#version: 0.2","a b","ab c"])"));
  const Tokenizer new_form = make_tokenizer(bpe(kAbc, R"([["a","b"],["ab","c"]])"));
  EXPECT_EQ(old_form.encode("abcab"), (Ids{5, 3}));
  EXPECT_EQ(new_form.encode("abcab"), (Ids{5, 3}));
  const std::string spaces = R"({"a":0," ":1,"a ":2,"a  ":3})";
  EXPECT_EQ(make_tokenizer(bpe(spaces, R"([["a"," "],["a "," "]])")).encode("a  "), (Ids{3}));
}

TEST(Tokenizer, ModelWithoutTypeIsBpe) {
  EXPECT_EQ(make_tokenizer(R"({"model":{"vocab":{"a":0},"merges":[]}})").encode("aa"), (Ids{0, 0}));
}

TEST(Tokenizer, UnknownCharacters) {
  EXPECT_EQ(make_tokenizer(bpe(kAbc, "[]")).encode("axxb"), (Ids{0, 1}));  // dropped
  EXPECT_EQ(make_tokenizer(bpe(kAbc, "[]", R"(,"unk_token":"<u>")")).encode("axxb"), (Ids{0, 6, 6, 1}));
  EXPECT_EQ(make_tokenizer(bpe(kAbc, "[]", R"(,"unk_token":"<u>","fuse_unk":true)")).encode("axxb"), (Ids{0, 6, 1}));
  const std::string bytes = R"({"a":0,"<0xC3>":1,"<0xA9>":2,"<u>":3})";
  EXPECT_EQ(make_tokenizer(bpe(bytes, "[]", R"(,"unk_token":"<u>","byte_fallback":true)")).encode("a\xC3\xA9z"),
            (Ids{0, 1, 2, 3}));
  const Tokenizer nameless = make_tokenizer(bpe(kAbc, "[]", R"(,"unk_token":"<missing>")"));
  EXPECT_EQ(nameless.encode("ab"), (Ids{0, 1}));
  EXPECT_THROW(nameless.encode("x"), Error);
}

TEST(Tokenizer, IgnoreMergesTakesWholeWords) {
  EXPECT_EQ(make_tokenizer(bpe(kAbc, "[]", R"(,"ignore_merges":true)")).encode("abc"), (Ids{5}));
  EXPECT_EQ(make_tokenizer(bpe(kAbc, "[]")).encode("abc"), (Ids{0, 1, 2}));
}

TEST(Tokenizer, PrefixAndSuffixOfSubwords) {
  const Tokenizer suffix =
      make_tokenizer(bpe(R"({"a":0,"b</w>":1,"ab</w>":2})", R"(["a b</w>"])", R"(,"end_of_word_suffix":"</w>")"));
  EXPECT_EQ(suffix.encode("ab"), (Ids{2}));
  const Tokenizer prefix =
      make_tokenizer(bpe(R"({"a":0,"##b":1,"ab":2})", R"(["a ##b"])", R"(,"continuing_subword_prefix":"##")"));
  EXPECT_EQ(prefix.encode("ab"), (Ids{2}));
}

TEST(Tokenizer, CuttingAtSpaceMarksChangesNothing) {
  // The second model has a merge across a mark, so it may not cut; both must find the same tokens as by hand.
  const std::string vocab = R"({"▁":0,"a":1,"▁a":2,"a▁":3,"▁▁":4,"a▁a":5})";
  const Tokenizer cuts = make_tokenizer(bpe(vocab, R"(["▁ a","▁ ▁"])"));
  EXPECT_EQ(cuts.encode("▁a▁▁a▁"), (Ids{2, 0, 2, 0}));
  const Tokenizer whole = make_tokenizer(bpe(vocab, R"(["a ▁","a▁ a","▁ ▁"])"));
  EXPECT_EQ(whole.encode("▁a▁a"), (Ids{0, 5}));
}

TEST(Tokenizer, LongWordsAreNotQuadratic) {
  const Tokenizer tokenizer = make_tokenizer(bpe(R"({"a":0,"aa":1,"aaaa":2})", R"(["a a","aa aa"])"));
  EXPECT_EQ(tokenizer.encode(std::string(400'000, 'a')).size(), 100'000u);
}

const char* const kAdded = R"("added_tokens":[
  {"id":7,"content":"<|a|>","special":true,"normalized":false},
  {"id":8,"content":"<|a|>b","special":true,"normalized":false},
  {"id":9,"content":"L","lstrip":true,"normalized":false},
  {"id":10,"content":"R","rstrip":true,"normalized":false},
  {"id":11,"content":"W","single_word":true,"normalized":false}],)";

TEST(Tokenizer, AddedTokens) {
  const Tokenizer tokenizer = make_tokenizer(bpe(R"({"a":0,"b":1," ":2,"x":3,"y":4,"z":5,"-":6})", "[]", "", kAdded));
  EXPECT_EQ(tokenizer.encode("a<|a|>a"), (Ids{0, 7, 0}));
  EXPECT_EQ(tokenizer.encode("<|a|>b"), (Ids{8}));               // the longest
  EXPECT_EQ(tokenizer.encode("a  L  a"), (Ids{0, 9, 2, 2, 0}));  // takes the spaces on its left
  EXPECT_EQ(tokenizer.encode("a  R  a"), (Ids{0, 2, 2, 10, 0}));
  EXPECT_EQ(tokenizer.encode("R  L"), (Ids{10, 9}));  // never back into the match before
  EXPECT_EQ(tokenizer.encode("W xWx-W-"), (Ids{11, 2, 3, 3, 6, 11, 6}));
  EXPECT_EQ(tokenizer.vocab_size(), 12);
}

TEST(Tokenizer, AddedTokensGetTheNextFreeId) {
  const Tokenizer tokenizer =
      make_tokenizer(bpe(kAbc, "[]", "", R"("added_tokens":[{"id":99,"content":"new"},{"id":98,"content":"b"}],)"));
  EXPECT_EQ(tokenizer.id_of("new"), 7);
  EXPECT_EQ(tokenizer.id_of("b"), 1);
}

TEST(Tokenizer, NormalizedAddedTokensAreSoughtInTheirNormalForm) {
  const std::string parts = R"("normalizer":{"type":"Lowercase"},"added_tokens":[
      {"id":7,"content":"AB","normalized":true},{"id":8,"content":"CC","normalized":false}],)";
  const Tokenizer tokenizer = make_tokenizer(bpe(kAbc, "[]", "", parts));
  EXPECT_EQ(tokenizer.encode("aBc"), (Ids{7, 2}));
  EXPECT_EQ(tokenizer.encode("ccCC"), (Ids{2, 2, 8}));
}

TEST(Tokenizer, ConfigAddsTokensAndNamesControlTokens) {
  const std::string config = R"({"bos_token":"<s>","eos_token":{"content":"</s>","lstrip":false},"pad_token":null,
      "added_tokens_decoder":{"7":{"content":"<s>","special":false,"normalized":false}},
      "additional_special_tokens":["<x>"],"extra_special_tokens":{"image_token":"<i>"}})";
  const Tokenizer tokenizer = make_tokenizer(bpe(kAbc, "[]", "", kFuse), config);
  EXPECT_EQ(tokenizer.encode("a<s>b</s><x><i>"), (Ids{0, 7, 1, 8, 9, 10}));
  EXPECT_EQ(tokenizer.bos_id(), 7);
  EXPECT_EQ(tokenizer.eos_id(), 8);
  EXPECT_TRUE(tokenizer.is_special(7));
  EXPECT_EQ(tokenizer.decode({0, 7, 1, 8}), "ab");
  EXPECT_EQ(tokenizer.decode({0, 7, 1, 8}, false), "a<s>b</s>");
}

const char* const kBosTemplate = R"("post_processor":{"type":"TemplateProcessing","single":[
  {"SpecialToken":{"id":"S","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],"pair":[],
  "special_tokens":{"S":{"id":"S","ids":[5],"tokens":["S"]}}},)";

TEST(Tokenizer, PostProcessors) {
  EXPECT_EQ(make_tokenizer(bpe(kAbc, "[]", "", kBosTemplate)).encode("ab"), (Ids{5, 0, 1}));
  EXPECT_EQ(make_tokenizer(bpe(kAbc, "[]", "", kBosTemplate)).encode("ab", false), (Ids{0, 1}));
  const std::string bert = R"("post_processor":{"type":"BertProcessing","sep":["y",4],"cls":["x",3]},)";
  EXPECT_EQ(make_tokenizer(bpe(kAbc, "[]", "", bert)).encode("ab"), (Ids{3, 0, 1, 4}));
  const std::string sequence = R"("post_processor":{"type":"Sequence","processors":[{"type":"ByteLevel"},
      {"type":"RobertaProcessing","sep":["y",4],"cls":["x",3]}]},)";
  EXPECT_EQ(make_tokenizer(bpe(kAbc, "[]", "", sequence)).encode("ab"), (Ids{3, 0, 1, 4}));
}

TEST(Tokenizer, AddBosAndEosReplaceThePostProcessor) {
  const std::string json = bpe(R"({"a":0,"S":5,"E":6})", "[]", "", kBosTemplate);
  const auto encode = [&](const std::string& keys) {
    return make_tokenizer(json, R"({"bos_token":"S","eos_token":"E")" + keys + "}").encode("a");
  };
  EXPECT_EQ(encode(""), (Ids{5, 0}));
  EXPECT_EQ(encode(R"(,"add_bos_token":false)"), (Ids{0}));
  EXPECT_EQ(encode(R"(,"add_bos_token":true,"add_eos_token":true)"), (Ids{5, 0, 6}));
  EXPECT_EQ(encode(R"(,"add_eos_token":true)"), (Ids{5, 0, 6}));
  EXPECT_EQ(encode(R"(,"add_bos_token":null)"), (Ids{5, 0}));
}

TEST(Tokenizer, PeopleCannotWriteControlTokens) {
  Prompt prompt;
  prompt.text = "<s>[INST] a </s> [INST] b[/INST]";
  prompt.input_ranges = {{10, 25}};
  const Ids ids = demo().encode(prompt);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 3), 1);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 2), 0);
  EXPECT_EQ(ids.back(), 4);
  EXPECT_EQ(demo().decode(ids, false), "<s>[INST] a </s> [INST] b[/INST]");
  prompt.input_ranges = {{0, 1000}};
  EXPECT_THROW(demo().encode(prompt), Error);
}

TEST(Tokenizer, HarmlessPromptsHaveTheSameIds) {
  Prompt prompt;
  prompt.text = "<s>[INST] Tell me about na\xC3\xAFve caf\xC3\xA9s [1] <b>[/INST]";
  prompt.input_ranges = {{10, prompt.text.size() - 7}};
  EXPECT_EQ(demo().encode(prompt), demo().encode(prompt.text, false));
}

TEST(Tokenizer, AMarkerBehindAnInputThatBeginsLikeOneIsStillRead) {
  Prompt prompt;
  prompt.text = "[/INST[/INST]";
  prompt.input_ranges = {{0, 6}};
  EXPECT_EQ(demo().encode(prompt).back(), 4);
}

TEST(Tokenizer, ControlTokensSoughtAfterNormalizationAreProtectedToo) {
  const std::string parts = R"("normalizer":{"type":"Replace","pattern":{"String":" "},"content":"__"},
      "added_tokens":[{"id":5,"content":"<c>","special":true,"normalized":true}],)";
  const Tokenizer tokenizer = make_tokenizer(bpe(R"({"a":0,"<":1,"c":2,">":3,"_":4})", "[]", "", parts));
  Prompt prompt;
  prompt.text = "  <c>a <c>";
  prompt.input_ranges = {{5, 10}};
  EXPECT_EQ(tokenizer.encode(prompt), (Ids{4, 4, 4, 4, 5, 0, 4, 4, 1, 2, 3}));
}

TEST(Tokenizer, AddedTokensThatRepeat) {
  const auto with = [](const std::string& tokens) {
    return make_tokenizer(bpe(R"({"a":0,"b":1," ":2,"x":9})", "[]", "", R"("added_tokens":[)" + tokens + "],"));
  };
  // The last flags count, the content keeps its id, and a token that the vocabulary has keeps that one.
  const Tokenizer twice = with(R"({"id":7,"content":"<t>","rstrip":false},{"id":8,"content":"x"},
      {"id":5,"content":"<t>","rstrip":true},{"id":6,"content":"<u>"},{"content":""})");
  EXPECT_EQ(twice.encode("<t>  a"), (Ids{4, 0}));
  EXPECT_EQ(twice.id_of("x"), 9);
  EXPECT_EQ(twice.id_of("<u>"), 5);
  EXPECT_EQ(twice.vocab_size(), 10);
  // A content that is a control token anywhere is one everywhere, found before ordinary tokens of its length.
  EXPECT_TRUE(with(R"({"content":"<t>","special":false},{"content":"<t>","special":true})").is_special(4));
}

TEST(Tokenizer, AnAddedTokenMayBeginInsideTheSpaceThatAnotherSwallowed) {
  const Tokenizer tokenizer = make_tokenizer(bpe(
      kAbc, "[]", "",
      R"("added_tokens":[{"content":"<r>","rstrip":true,"normalized":false},{"content":"\n","normalized":false}],)"));
  EXPECT_EQ(tokenizer.encode("<r>\n\na"), (Ids{7, 8, 8, 0}));
}

TEST(Tokenizer, RunsOfTokensThatSwallowSpaceTakeLinearTime) {
  for (const char* side : {"lstrip", "rstrip"}) {
    const Tokenizer tokenizer = make_tokenizer(bpe(
        kAbc, "[]", "", R"("added_tokens":[{"content":" ","normalized":false,")" + std::string(side) + R"(":true}],)"));
    EXPECT_EQ(tokenizer.encode(std::string(300'000, ' ')).size(), 300'000u);
  }
}

TEST(Tokenizer, PromptsWithLongStretchesOfTemplateTakeLinearTime) {
  Prompt prompt;
  prompt.text = std::string(1'000'000, ' ');
  prompt.input_ranges = {{0, 1}};
  EXPECT_GT(demo().encode(prompt).size(), 0u);
}

TEST(Tokenizer, AnAddedTokenNormalizedToNothingIsNeverFound) {
  const Tokenizer tokenizer = make_tokenizer(bpe(
      kAbc, R"(["a b"])", "", R"("normalizer":{"type":"Strip"},"added_tokens":[{"content":" ","normalized":true}],)"));
  EXPECT_EQ(tokenizer.encode(" ab "), Ids{3});
}

TEST(Tokenizer, ErrorsNameFileAndPart) {
  EXPECT_NE(error_message([] { Tokenizer::open("/nowhere"); }).find("tokenizer.json"), std::string::npos);
  const auto message = [](const std::string& json) { return error_message([&] { make_tokenizer(json); }); };
  EXPECT_NE(message("{").find("tokenizer.json"), std::string::npos);
  EXPECT_NE(message("[]").find("object"), std::string::npos);
  EXPECT_NE(message("{}").find("model"), std::string::npos);
  EXPECT_NE(message(R"({"model":{"type":"Bigram","vocab":[]}})").find("Bigram"), std::string::npos);
  EXPECT_NE(message(R"({"model":{"vocab":{}}})").find("no model"), std::string::npos);
  EXPECT_NE(message(R"({"model":{"type":"Unigram","vocab":[],"unk_id":0}})").find("unk_id"), std::string::npos);
  EXPECT_NE(message(R"({"model":{"type":"Unigram","vocab":[["a"]]}})").find("pair"), std::string::npos);
  EXPECT_NE(message(R"({"model":{"type":"Unigram","vocab":[["a","b"]]}})").find("string"), std::string::npos);
  EXPECT_NE(message(bpe(kAbc, R"(["a x"])")).find("\"x\""), std::string::npos);
  EXPECT_NE(message(bpe(kAbc, R"(["abc"])")).find("one space"), std::string::npos);
  EXPECT_NE(message(bpe(kAbc, R"([["a"]])")).find("merges"), std::string::npos);
  EXPECT_NE(message(bpe(kAbc, R"([["a","b","c"]])")).find("three"), std::string::npos);
  EXPECT_NE(message(bpe(kAbc, R"([5])")).find("number"), std::string::npos);
  EXPECT_NE(message(bpe(R"({"a":0,"a":1})", "[]")).find("twice"), std::string::npos);
  EXPECT_NE(message(bpe(R"({"a":0,"b":0})", "[]")).find("another"), std::string::npos);
  EXPECT_NE(message(bpe(R"({"a":-1})", "[]")).find("-1"), std::string::npos);
  EXPECT_NE(message(bpe(R"({"a":99999999999})", "[]")).find("99999999999"), std::string::npos);
  EXPECT_NE(message(bpe(R"({"a":1.5})", "[]")).find("float"), std::string::npos);
  EXPECT_NE(message(bpe(R"({"a":"0"})", "[]")).find("string"), std::string::npos);
  EXPECT_NE(message(R"({"model":{"type":"BPE","vocab":{}}})").find("merges"), std::string::npos);
}

}  // namespace
}  // namespace gptq::tokenizer
