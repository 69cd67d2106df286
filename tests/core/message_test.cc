// Messages of bounded length: errors, notes and warnings quote what they found, which may be megabytes.
#include <gtest/gtest.h>

#include <gptq/error.h>

#include "core/log.h"

namespace gptq {
namespace {

TEST(Messages, ShortOnesStay) {
  const std::string text(4000, 'x');
  EXPECT_EQ(shortened_message(text), text);
  EXPECT_STREQ(Error(ErrorKind::kGeneral, "what; why").what(), "what; why");
}

TEST(Messages, LongOnesKeepBothEnds) {
  const std::string text = Error(ErrorKind::kUsage, "begin " + std::string(1'000'000, 'x') + " end").what();
  EXPECT_LT(text.size(), 4100u);
  EXPECT_EQ(text.rfind("begin xxx", 0), 0u);
  EXPECT_EQ(text.substr(text.size() - 5), "x end");
  EXPECT_NE(text.find("[... 996010 bytes ...]"), std::string::npos) << text;
}

TEST(Messages, CharactersAreNotCut) {
  for (int shift = 0; shift < 4; ++shift) {
    std::string text(static_cast<size_t>(shift), 'x');
    while (text.size() < 10'000) text += "\U0001F600";
    const std::string cut = shortened_message(text);
    const size_t middle = cut.find(" [... ");
    ASSERT_NE(middle, std::string::npos);
    EXPECT_EQ((middle - static_cast<size_t>(shift)) % 4, 0u);
    EXPECT_EQ((cut.size() - cut.find("...] ") - 5) % 4, 0u);
  }
}

TEST(Messages, WarningsAreCutToo) {
  std::string heard;
  set_log_sink([&](LogLevel, const std::string& text) { heard = text; });
  warn(std::string(100'000, 'y'));
  set_log_sink({});
  EXPECT_LT(heard.size(), 4100u);
  EXPECT_GT(heard.size(), 3900u);
}

}  // namespace
}  // namespace gptq
