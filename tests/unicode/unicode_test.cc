// UTF-8 repair, character classes and normal forms.
#include "unicode/char_tables.h"
#include "unicode/characters.h"
#include "unicode/normal_form.h"

#include <gtest/gtest.h>

#include <ctime>

namespace gptq::unicode {
namespace {

const std::string kReplacement = std::string(kReplacementUtf8);

TEST(Unicode, OneReplacementForEachMaximalInvalidSubpart) {
  EXPECT_EQ(to_valid_utf8("a\xFFz"), "a" + kReplacement + "z");
  EXPECT_EQ(to_valid_utf8("\xE4\xBD"), kReplacement);  // cut short
  EXPECT_EQ(to_valid_utf8("\xE4\xBDx"), kReplacement + "x");
  EXPECT_EQ(to_valid_utf8("\xF0\x9F\x98\xF0\x9F\x98\x80"), kReplacement + "\xF0\x9F\x98\x80");
  EXPECT_EQ(to_valid_utf8("\xC0\xAF"), kReplacement + kReplacement);                     // overlong
  EXPECT_EQ(to_valid_utf8("\xE0\x80\xAF"), kReplacement + kReplacement + kReplacement);  // overlong
  EXPECT_EQ(to_valid_utf8("\xED\xA0\x80"), kReplacement + kReplacement + kReplacement);  // surrogate
  EXPECT_EQ(to_valid_utf8("\xF4\x90\x80\x80"),
            kReplacement + kReplacement + kReplacement + kReplacement);  // above U+10FFFF
  EXPECT_EQ(to_valid_utf8("\x80\x80"), kReplacement + kReplacement);
  EXPECT_EQ(to_valid_utf8("h\xC3\xA9 \xF0\x9F\x98\x80"), "h\xC3\xA9 \xF0\x9F\x98\x80");
}

TEST(Unicode, EveryCodePointRoundTrips) {
  for (char32_t code = 0; code <= 0x10FFFF; ++code) {
    if (code >= 0xD800 && code <= 0xDFFF) continue;
    const std::string text = utf8(code);
    const Utf8Step step = utf8_step(text, 0);
    ASSERT_TRUE(step.valid && step.code == code && step.size == text.size()) << static_cast<uint32_t>(code);
    ASSERT_TRUE(char_before(text, text.size()) == code);
  }
}

TEST(Unicode, WhiteSpaceIsTheUnicodeProperty) {
  int count = 0;
  for (char32_t code = 0; code <= 0x10FFFF; ++code) count += is_whitespace(code) ? 1 : 0;
  EXPECT_EQ(count, 25);
  EXPECT_FALSE(is_whitespace(0x180E));
  EXPECT_FALSE(is_whitespace(0x200B));
}

TEST(Unicode, ClassesOfSomeCharacters) {
  EXPECT_TRUE(is_numeric(U'7') && is_numeric(0xBD) && is_numeric(0x663) && !is_numeric(U'a'));
  EXPECT_TRUE(kPunctuationChars.has(U'$') && kPunctuationChars.has(0xBF) && !kPunctuationChars.has(0x20AC));
  EXPECT_TRUE(is_word(U'_') && is_word(0xE9) && is_word(0x301) && is_word(0x24B6) && !is_word(U'-') && !is_word(0xBD));
  EXPECT_TRUE(kBertMarkChars.has(0x301) && !kBertMarkChars.has(0x903) && kMarkChars.has(0x903));
  EXPECT_TRUE(is_printable(0xE9) && !is_printable(0xA0) && !is_printable(0x200B) && !is_printable(7));
}

TEST(Unicode, NormalForms) {
  EXPECT_EQ(to_normal_form("e\xCC\x81", NormalForm::kNfc), "\xC3\xA9");
  EXPECT_EQ(to_normal_form("\xC3\xA9", NormalForm::kNfd), "e\xCC\x81");
  EXPECT_EQ(to_normal_form("\xEF\xAC\x81\xC2\xBD", NormalForm::kNfkc),
            "fi1\xE2\x81\x84"
            "2");
  EXPECT_EQ(to_normal_form("\xED\x95\x9C", NormalForm::kNfd), "\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB");
  // A dot below comes before an acute accent whatever the order they were written in.
  EXPECT_EQ(to_normal_form("a\xCC\x81\xCC\xA3", NormalForm::kNfd), "a\xCC\xA3\xCC\x81");
}

TEST(Unicode, HostileRunsOfMarksTakeLinearithmicTime) {
  std::string text = "a";
  for (int i = 0; i < 200'000; ++i) text += i % 2 == 0 ? "\xCC\x81" : "\xCC\xA3";
  const std::clock_t start = std::clock();  // processor time: other work on the machine does not count
  EXPECT_EQ(to_normal_form(text, NormalForm::kNfc).size(), text.size());  // "a" takes one mark and two bytes more
  EXPECT_LT(std::clock() - start, 20 * CLOCKS_PER_SEC);
}

TEST(Unicode, LowerCaseOfTheOneLongLetter) {
  std::string out;
  append_lowercase(out, 0x130);
  append_lowercase(out, U'Ä');
  EXPECT_EQ(out, "i\xCC\x87\xC3\xA4");
}

}  // namespace
}  // namespace gptq::unicode
