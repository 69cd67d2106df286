// Untrusted text must not steer a terminal.
#include <gptq/terminal.h>

#include <gtest/gtest.h>

#include <string>

#include "core/utf8.h"

namespace gptq {
namespace {

TEST(SanitizeForTerminal, KeepsOrdinaryText) {
  for (const char* text :
       {"", "plain", "two\nlines\tand a tab", "Grüße, 漢字, עברית, 👩‍👩‍👧", "U+00A0: \u00A0"})
    EXPECT_EQ(sanitize_for_terminal(text), text);
}

TEST(SanitizeForTerminal, ReplacesEveryControlCharacter) {
  for (char32_t code = 0; code < 0xA0; ++code) {
    const bool kept = code == '\n' || code == '\t' || (code >= 0x20 && code < 0x7F);
    EXPECT_EQ(sanitize_for_terminal("a" + utf8(code) + "b"), kept ? "a" + utf8(code) + "b" : "a?b")
        << static_cast<uint32_t>(code);
  }
}

TEST(SanitizeForTerminal, ReplacesSequencesThatPeopleAbuse) {
  EXPECT_EQ(sanitize_for_terminal("\x1b]52;c;aGk=\x07"), "?]52;c;aGk=?");  // sets the clipboard
  EXPECT_EQ(sanitize_for_terminal("\x1b[2J"), "?[2J");
  EXPECT_EQ(sanitize_for_terminal("\u009b2J"), "?2J");  // the same with C1's CSI
  EXPECT_EQ(sanitize_for_terminal("\x9b"
                                  "2J"),
            "?2J");  // and as a byte of an 8-bit terminal
  EXPECT_EQ(sanitize_for_terminal("over\rwritten"), "over?written");
}

TEST(SanitizeForTerminal, ReplacesBidirectionalControls) {
  for (const char32_t code : {0x61C, 0x200E, 0x200F, 0x2028, 0x2029, 0x202A, 0x202B, 0x202C, 0x202D, 0x202E, 0x2066,
                              0x2067, 0x2068, 0x2069}) {
    EXPECT_EQ(sanitize_for_terminal("gpj" + utf8(code) + "exe"), "gpj?exe") << static_cast<uint32_t>(code);
  }
}

TEST(SanitizeForTerminal, ResultIsValidUtf8) { EXPECT_EQ(sanitize_for_terminal("a\xff\xc3(\xe2\x82"), "a?\?(?"); }

}  // namespace
}  // namespace gptq
