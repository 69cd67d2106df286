// Every normalizer type, and the marks that they carry along.
#include "text/normalizer.h"

#include <gtest/gtest.h>

#include <gptq/error.h>

namespace gptq {
namespace {

std::string normalized(const std::string& json, const std::string& text) {
  AlignedText aligned(MarkedText{text, "", false}, false);
  make_normalizer(parse_json(json, "test"), "test")->apply(aligned);
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

TEST(Normalizer, MarksStayWithTheirText) {
  const auto normalizer =
      make_normalizer(parse_json(R"({"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Prepend","prepend":"_"},
                 {"type":"Replace","pattern":{"String":" "},"content":"__"}]})",
                                 "test"),
                      "test");
  AlignedText text(MarkedText{"T e\xCC\x81 T", "", false}, false);
  text.marks = std::string("\0\0\1\1\1\0\0", 7);
  normalizer->apply(text);
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
}  // namespace gptq
