// The pattern translator: what it rewrites, what it refuses, and what the results match.
#include "tokenizer/components/split_pattern.h"

#include <gtest/gtest.h>

#include <gptq/error.h>

#include "tokenizer/components/text_pattern.h"

namespace gptq::tokenizer {
namespace {

std::string matches(const std::string& pattern, const std::string& text) {
  std::string out;
  TextPattern::regex(pattern, "test").cut(text, [&](const Segment& stretch) {
    if (stretch.match) out += "<" + text.substr(stretch.begin, stretch.end - stretch.begin) + ">";
  });
  return out;
}

TEST(SplitPattern, SpaceIsWhiteSpaceOnly) {
  EXPECT_EQ(matches(R"(\s+)", "a \xE3\x80\x80z"), "< \xE3\x80\x80>");
  EXPECT_EQ(matches(R"(\s)", "\xE1\xA0\x8E"), "");  // U+180E
  EXPECT_EQ(matches(R"([^\s]+)", "a \xE1\xA0\x8E"), "<a><\xE1\xA0\x8E>");
  EXPECT_EQ(matches(R"([\S]+)", "ab c"), "<ab><c>");
}

TEST(SplitPattern, QuantifiersOfQuantifiers) {
  EXPECT_EQ(matches(R"(a{2,3}+)", "aaaaa"), "<aaaaa>");  // repeated, not possessive
  EXPECT_EQ(matches(R"(a++b|a)", "aab aa"), "<aab><a><a>");
  EXPECT_EQ(matches(R"((?:ab){2}?c)", "c ababc"), "<c><ababc>");  // an optional pair
  EXPECT_EQ(matches(R"(a{,2}b)", "aaab"), "<aab>");
  EXPECT_EQ(matches(R"(a{x})", "a{x}"), "<a{x}>");
}

TEST(SplitPattern, WordsHaveFractionsOutsideBracketsOnly) {
  EXPECT_EQ(matches(R"(\w+)", "a²b"), "<a²b>");
  EXPECT_EQ(matches(R"([\w]+)", "a²b"), "<a><b>");
}

TEST(SplitPattern, AnchorsAreOfLines) {
  EXPECT_EQ(matches(R"(\s+$)", "a  \nb "), "<  >< >");
  EXPECT_EQ(matches(R"(^a)", "a\na ba"), "<a><a>");
}

TEST(SplitPattern, SetOperations) {
  EXPECT_EQ(matches(R"([a-z&&[^aeiou]]+)", "hello"), "<h><ll>");
  EXPECT_EQ(matches(R"([ab[cd]]+)", "abcde"), "<abcd>");
  EXPECT_EQ(matches(R"([^a-z&&[^aeiou]])", "hao"), "<a><o>");
  EXPECT_EQ(matches(R"([a[^b]]+)", "abc"), "<a><c>");
  EXPECT_EQ(matches(R"([a\-z]+)", "-az b"), "<-az>");
  EXPECT_EQ(matches(R"([]a]+)", "]a"), "<]a>");
}

TEST(SplitPattern, PropertiesAndEscapes) {
  EXPECT_EQ(matches(R"(\p{Han}+)", "中文ー。"), "<中文>");
  EXPECT_EQ(matches(R"(\p{^L}+)", "a12b"), "<12>");
  EXPECT_EQ(matches(R"(\p{Uppercase_Letter}+)", "aBCd"), "<BC>");
  EXPECT_EQ(matches(R"(\h+)", "xdeadbeefz"), "<deadbeef>");
  EXPECT_EQ(matches(R"([\u4e00-\u9fa5]+|\x{41}|\x42|\t)", "A中B\t"), "<A><中><B><\t>");
  EXPECT_EQ(matches(R"((?i:'s)|(?i)X)", "'S'ſ x"), "<'S><'ſ><x>");
  EXPECT_EQ(matches(R"((?m:.)|b)", "\nb"), "<\n><b>");
}

TEST(SplitPattern, EmptyMatchesMoveOn) {
  EXPECT_EQ(matches("x*", "axb"), "<><x><>");
  EXPECT_EQ(matches("(?=b)", "ab"), "<>");
}

TEST(SplitPattern, WhatIsNotSupportedIsRefused) {
  for (const char* pattern :
       {"(", ")", "a)", "[a", "(?<n>a)", R"((a)\1)", R"(\k<n>)", "*a", R"(\p{L)", R"(\p{Nonsense})", R"(\xE4)",
        R"(\x{110000})", "[z-a]", "(?x: a)", R"(\)", R"(\K)", "a{5,2}", "[[:nope:]]", "\xFF"}) {
    EXPECT_THROW(TextPattern::regex(pattern, "test"), Error) << pattern;
  }
  std::string deep(500, '(');
  EXPECT_THROW(TextPattern::regex(deep, "test"), Error);
  EXPECT_THROW(TextPattern::regex(std::string(500, '['), "test"), Error);
}

}  // namespace
}  // namespace gptq::tokenizer
