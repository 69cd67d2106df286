// Every normalizer type, and the marks that they carry along.
#include "core/json.h"
#include "tokenizer/components/normalizer.h"

#include <gtest/gtest.h>

#include <gptq/error.h>

#include "tokenizer/components/charsmap.h"

namespace gptq::tokenizer {
namespace {

std::string normalized(const std::string& json, const std::string& text) {
  AlignedText aligned(unicode::MarkedText{text, ""}, false);
  TextBudget budget("normalizing", aligned.text.size());
  make_normalizer(parse_json(json, "test"), "test")->apply(aligned, budget);
  return aligned.text;
}

TEST(Normalizer, NoneChangesNothing) { EXPECT_EQ(normalized("null", " A\xC3\xA9 "), " A\xC3\xA9 "); }

TEST(Normalizer, NormalForms) {
  EXPECT_EQ(normalized(R"({"type":"NFC"})", "xe\xCC\x81y"), "x\xC3\xA9y");
  EXPECT_EQ(normalized(R"({"type":"NFD"})", "x\xC3\xA9y"), "xe\xCC\x81y");
  EXPECT_EQ(normalized(R"({"type":"NFKC"})", "\xEF\xAC\x81"), "fi");
  EXPECT_EQ(normalized(R"({"type":"NFKD"})", "\xEF\xAC\x81\xC3\xA9"), "fie\xCC\x81");
}

TEST(Normalizer, PrependOnlyToText) {
  EXPECT_EQ(normalized(R"({"type":"Prepend","prepend":"_"})", "a"), "_a");
  EXPECT_EQ(normalized(R"({"type":"Prepend","prepend":"_"})", ""), "");
}

TEST(Normalizer, Replace) {
  EXPECT_EQ(normalized(R"({"type":"Replace","pattern":{"String":" "},"content":"__"})", " a  b"), "__a____b");
  EXPECT_EQ(normalized(R"({"type":"Replace","pattern":{"Regex":"\\s+"},"content":" "})", "a \n\t b"), "a b");
  EXPECT_EQ(normalized(R"({"type":"Replace","pattern":{"String":"aa"},"content":""})", "aaa"), "a");
}

TEST(Normalizer, CaseAccentsStrip) {
  EXPECT_EQ(normalized(R"({"type":"Lowercase"})", "\xC3\x84 X\xC4\xB0"), "\xC3\xA4 xi\xCC\x87");
  EXPECT_EQ(
      normalized(R"({"type":"Sequence","normalizers":[{"type":"NFD"},{"type":"StripAccents"}]})", "\xC3\xA9\xC3\xA0"),
      "ea");
  EXPECT_EQ(normalized(R"({"type":"Strip"})", " \xE3\x80\x80 a b\n"), "a b");
  EXPECT_EQ(normalized(R"({"type":"Strip","strip_left":false,"strip_right":true})", " a "), " a");
  EXPECT_EQ(normalized(R"({"type":"ByteLevel"})", "a \xC3\xA9"), "a\xC4\xA0\xC3\x83\xC2\xA9");
}

TEST(Normalizer, Bert) {
  const std::string all = R"({"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"lowercase":true})";
  EXPECT_EQ(normalized(all,
                       "\xC3\x89\tA\x01"
                       "B\xE6\x97\xA5"
                       "c\xEF\xBF\xBD"),
            "e ab \xE6\x97\xA5 c");
  EXPECT_EQ(normalized(R"({"type":"BertNormalizer","strip_accents":false,"lowercase":true})", "\xC3\x89"), "\xC3\xA9");
  EXPECT_EQ(normalized(R"({"type":"BertNormalizer","lowercase":false})", "\xC3\x89"), "\xC3\x89");
}

TEST(Normalizer, Nmt) {
  EXPECT_EQ(normalized(R"({"type":"Nmt"})",
                       "a\x01\x0B\x7F\tb\xE2\x80\x8B\xEF\xBB\xBF"
                       "c\xE2\x96\x81"),
            "a b  c ");
}

// A charsmap with one rule, a single byte and what replaces it.
std::string charsmap(unsigned char key, const std::string& replacement) {
  std::vector<uint32_t> units(0x201);
  const uint32_t node = 0x100 ^ key;
  units[0] = 0x100 << 10;
  units[node] = key | 0x100 | (node ^ 0x200) << 10;
  units[0x200] = 0x80000000;
  std::string bytes;
  const auto put = [&](uint32_t value) {
    for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<char>(value >> (8 * i) & 0xFF));
  };
  put(static_cast<uint32_t>(units.size() * 4));
  for (const uint32_t unit : units) put(unit);
  return bytes + replacement + std::string(1, '\0');
}

TEST(Normalizer, CharsmapsAreReadAndChecked) {
  EXPECT_EQ(Charsmap(charsmap('x', "yz"), "test").find("xab"), "yz");
  EXPECT_EQ(Charsmap(charsmap('x', ""), "test").find("x"), "");
  EXPECT_EQ(Charsmap(charsmap('x', "yz"), "test").find("y"), std::nullopt);
  EXPECT_THROW(Charsmap(charsmap('x', "\xFF"), "test"), Error);
  EXPECT_THROW(Charsmap("abc", "test"), Error);
  EXPECT_THROW(Charsmap(charsmap('x', "yz").substr(0, 100), "test"), Error);
  std::string wild = charsmap('x', "yz");
  wild[4 + 0x200 * 4] = '\x40';  // a place behind the replacements
  EXPECT_EQ(Charsmap(wild, "test").find("x"), std::nullopt);
  wild[4 + 1] = '\xFF';  // a step outside the trie
  wild[4 + 2] = '\xFF';
  EXPECT_EQ(Charsmap(wild, "test").find("x"), std::nullopt);
}

TEST(Normalizer, OldFilesHaveNoType) {
  EXPECT_EQ(normalized(R"({"prepend":"_"})", "a"), "_a");
  EXPECT_EQ(normalized(
                R"({"normalizers":[{"strip_left":true,"strip_right":false},{"pattern":{"String":"a"},"content":"b"}]})",
                " a "),
            "b ");
}

TEST(Normalizer, MarksStayWithTheirText) {
  const auto normalizer =
      make_normalizer(parse_json(R"({"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Prepend","prepend":"_"},
                 {"type":"Replace","pattern":{"String":" "},"content":"__"}]})",
                                 "test"),
                      "test");
  AlignedText text(unicode::MarkedText{"T e\xCC\x81 T", ""}, false);
  text.marks = std::string("\0\0\1\1\1\0\0", 7);
  TextBudget budget("normalizing", text.text.size());
  normalizer->apply(text, budget);
  EXPECT_EQ(text.text, "_T__\xC3\xA9__T");
  EXPECT_EQ(text.ranges(), (std::vector<std::pair<size_t, size_t>>{{4, 6}}));
}

TEST(Normalizer, ErrorsNameTypeAndPart) {
  try {
    normalized(R"({"type":"Precompiled","precompiled_charsmap":""})", "");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kVerification);
    EXPECT_NE(std::string(error.what()).find("Precompiled"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("test"), std::string::npos);
  }
  EXPECT_THROW(normalized(R"({"type":"Replace","pattern":{"Regex":"("},"content":""})", ""), Error);
  EXPECT_THROW(normalized(R"({"type":"Prepend"})", ""), Error);
  EXPECT_THROW(normalized(R"({"kind":"NFC"})", ""), Error);
  std::string nested = R"({"type":"NFC"})";
  for (int i = 0; i < 40; ++i) nested = R"({"type":"Sequence","normalizers":[)" + nested + "]}";
  EXPECT_THROW(normalized(nested, ""), Error);
}

}  // namespace
}  // namespace gptq::tokenizer
