// Every pre-tokenizer type and split behaviour.
#include "core/json.h"
#include "tokenizer/components/pre_tokenizer.h"

#include <gtest/gtest.h>

#include <gptq/error.h>

namespace gptq::tokenizer {
namespace {

// The words with "|" between them.
std::string cut(const std::string& json, const std::string& text, bool at_start = true) {
  AlignedText piece(unicode::MarkedText{text, ""}, false);
  if (!at_start) piece.start_size = 0;
  TextBudget budget("cutting", piece.text.size());
  std::string out;
  make_pre_tokenizer(parse_json(json, "test"), "test").apply(std::move(piece), budget, [&](const Words& words) {
    for (size_t i = 0; i < words.spans.size(); ++i) out += (out.empty() ? "" : "|") + std::string(words.word(i));
  });
  return out;
}

std::string split(const std::string& behavior, const std::string& text, const std::string& more = "") {
  return cut(R"({"type":"Split","pattern":{"String":"-"},"behavior":")" + behavior + "\"" + more + "}", text);
}

TEST(PreTokenizer, TheFiveBehaviours) {
  const std::string text = "The-final--countdown";
  EXPECT_EQ(split("Removed", text), "The|final|countdown");
  EXPECT_EQ(split("Isolated", text), "The|-|final|-|-|countdown");
  EXPECT_EQ(split("MergedWithPrevious", text), "The-|final-|-|countdown");
  EXPECT_EQ(split("MergedWithNext", text), "The|-final|-|-countdown");
  EXPECT_EQ(split("Contiguous", text), "The|-|final|--|countdown");
  EXPECT_EQ(split("Removed", text, R"(,"invert":true)"), "-|-|-");
  EXPECT_THROW(split("Sideways", text), Error);
}

TEST(PreTokenizer, SplitByRegexWithInvert) {
  const std::string json =
      R"({"type":"Split","pattern":{"Regex":"\\p{L}+|\\p{N}"},"behavior":"Removed","invert":true})";
  EXPECT_EQ(cut(json, "ab 12 c!"), "ab|1|2|c");
}

TEST(PreTokenizer, EmptyMatchesEndAndDropNothing) {
  EXPECT_EQ(cut(R"({"type":"Split","pattern":{"Regex":"x*"},"behavior":"Isolated"})", "axxb"), "a|xx|b");
}

TEST(PreTokenizer, ByteLevel) {
  EXPECT_EQ(cut(R"({"type":"ByteLevel","add_prefix_space":false})", "Hi you're  12\n"),
            "Hi|\xC4\xA0you|'re|\xC4\xA0|\xC4\xA0"
            "12|\xC4\x8A");
  EXPECT_EQ(cut(R"({"type":"ByteLevel","add_prefix_space":true,"use_regex":false})", "a b"),
            "\xC4\xA0"
            "a\xC4\xA0"
            "b");
  EXPECT_EQ(cut(R"({"type":"ByteLevel","add_prefix_space":false,"use_regex":false})", "\xC3\xA9"), "\xC3\x83\xC2\xA9");
}

std::string metaspace(const std::string& fields, const std::string& text, bool at_start = true) {
  return cut(R"({"type":"Metaspace","replacement":"_")" + fields + "}", text, at_start);
}

TEST(PreTokenizer, Metaspace) {
  EXPECT_EQ(metaspace("", "a b  c"), "_a|_b|_|_c");
  EXPECT_EQ(metaspace(R"(,"prepend_scheme":"never")", "a b"), "a|_b");
  EXPECT_EQ(metaspace(R"(,"add_prefix_space":false)", "a b"), "a|_b");
  EXPECT_EQ(metaspace(R"(,"prepend_scheme":"first","split":false)", "a b"), "_a_b");
  EXPECT_EQ(metaspace(R"(,"prepend_scheme":"first","split":false)", "a b", false), "a_b");
  EXPECT_EQ(metaspace("", " a"), "_a");
  EXPECT_EQ(metaspace("", "_a"), "_a");
  EXPECT_EQ(metaspace("", ""), "");
  EXPECT_THROW(metaspace(R"(,"prepend_scheme":"last")", "a"), Error);
}

TEST(PreTokenizer, FirstMeansTheFirstWordOfTheInput) {
  const std::string json = R"({"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},
                              {"type":"Metaspace","replacement":"_","prepend_scheme":"first"}]})";
  EXPECT_EQ(cut(json, "a b"), "_a|b");
  EXPECT_EQ(cut(json, " a b"), "a|b");
}

TEST(PreTokenizer, DigitsPunctuationSpaces) {
  EXPECT_EQ(cut(R"({"type":"Digits","individual_digits":true})", "ab12c"), "ab|1|2|c");
  EXPECT_EQ(cut(R"({"type":"Digits","individual_digits":false})",
                "ab12\xC2\xBD"
                "c"),
            "ab|12\xC2\xBD|c");
  EXPECT_EQ(cut(R"({"type":"Punctuation"})", "a,.b\xC2\xBF"), "a|,|.|b|\xC2\xBF");
  EXPECT_EQ(cut(R"({"type":"Punctuation","behavior":"Contiguous"})", "a,.b"), "a|,.|b");
  EXPECT_EQ(cut(R"({"type":"Whitespace"})", "ab_1, c!?  d"), "ab_1|,|c|!?|d");
  EXPECT_EQ(cut(R"({"type":"WhitespaceSplit"})", " ab, \n c "), "ab,|c");
}

TEST(PreTokenizer, SequenceCutsFurther) {
  EXPECT_EQ(cut(R"({"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},
                {"type":"ByteLevel","add_prefix_space":false}]})",
                "a 12"),
            "a|\xC4\xA0|1|2");
}

TEST(PreTokenizer, BertRemovesSpacesAndIsolatesPunctuation) {
  EXPECT_EQ(cut(R"({"type":"BertPreTokenizer"})", " a b.\n,,c$ "), "a|b|.|,|,|c|$");
}

TEST(PreTokenizer, FixedLengthCountsCharacters) {
  EXPECT_EQ(cut(R"({"type":"FixedLength","length":2})",
                "\xC3\xA9"
                "abcd"),
            "\xC3\xA9"
            "a|bc|d");
  EXPECT_EQ(cut(R"({"type":"FixedLength"})", "abcdefg"), "abcde|fg");
  EXPECT_THROW(cut(R"({"type":"FixedLength","length":0})", "a"), Error);
}

TEST(PreTokenizer, CharDelimiterSplitRemovesTheDelimiter) {
  EXPECT_EQ(cut(R"({"type":"CharDelimiterSplit","delimiter":"-"})", "-a--b"), "a|b");
  EXPECT_THROW(cut(R"({"type":"CharDelimiterSplit","delimiter":"--"})", "a"), Error);
}

TEST(PreTokenizer, ScriptsAreCutAndSpacesGoAlong) {
  const char* const json = R"({"type":"UnicodeScripts"})";
  EXPECT_EQ(cut(json, "ab \xCE\xB1\xCE\xB2 c"), "ab |\xCE\xB1\xCE\xB2 |c");
  EXPECT_EQ(cut(json, "\xE3\x81\x82\xE3\x82\xA2\xE4\xB8\x80"),
            "\xE3\x81\x82\xE3\x82\xA2\xE4\xB8\x80");  // one: kana and Han
  EXPECT_EQ(cut(json, "  a"), "a");                   // leading spaces belong to no script and are lost
  EXPECT_EQ(cut(json, "  "), "");
}

TEST(PreTokenizer, UnsupportedTypeIsNamed) {
  try {
    cut(R"({"type":"Sentences"})", "a");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("Sentences"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace gptq::tokenizer
