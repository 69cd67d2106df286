// Keys and pastes from a terminal's bytes, and the labels that long texts have in a line.
#include "apps/cli/terminal_keys.h"

#include <gtest/gtest.h>

#include "apps/cli/folds.h"

namespace gptq::testing {
namespace {

using cli::KeyDecoder;
namespace keys = cli::keys;

std::u32string all_keys(const std::string& bytes, size_t piece, KeyDecoder& decoder) {
  std::u32string found;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    decoder.feed(std::string_view(bytes).substr(at, piece));
    while (const std::optional<char32_t> key = decoder.next()) found += *key;
  }
  return found;
}

std::u32string all_keys(const std::string& bytes, size_t piece = 1) {
  KeyDecoder decoder;
  return all_keys(bytes, piece, decoder);
}

TEST(TerminalKeys, CharactersAndCursorKeys) {
  for (size_t piece = 1; piece < 8; ++piece) {
    EXPECT_EQ(all_keys("aé日\U0001F680\n", piece), U"aé日\U0001F680\n");
    EXPECT_EQ(all_keys("\033[A\033OB\033[C\033[D", piece),
              (std::u32string{keys::kUp, keys::kDown, keys::kRight, keys::kLeft}));
    EXPECT_EQ(all_keys("\033[1~\033[H\033OF\033[3~", piece),
              (std::u32string{keys::kBegin, keys::kBegin, keys::kEnd, keys::kDelete}));
    EXPECT_EQ(all_keys("\033[1;5Cx\033[1;5D", piece), (std::u32string{keys::kNextWord, U'x', keys::kPreviousWord}));
    EXPECT_EQ(all_keys("\033bx", piece), (std::u32string{keys::kEscape, U'b', U'x'}));
    EXPECT_EQ(all_keys("a\033[99;99zb\033OZc", piece), U"abc") << "unknown keys do nothing";
    EXPECT_EQ(all_keys("a\xff\xc3(\xf0\x9f\xfe b", piece), U"a( b") << "broken bytes are left out";
  }
}

TEST(TerminalKeys, ALoneEscape) {
  KeyDecoder decoder;
  decoder.feed("\033");
  EXPECT_EQ(decoder.next(), std::nullopt);
  EXPECT_TRUE(decoder.undecided());
  decoder.flush();
  EXPECT_EQ(decoder.next(), keys::kEscape);
  decoder.feed("\033[");
  EXPECT_EQ(decoder.next(), std::nullopt);
  decoder.flush();
  EXPECT_EQ(decoder.next(), keys::kEscape);
  EXPECT_EQ(decoder.next(), U'[');
  EXPECT_EQ(decoder.next(), std::nullopt);
  EXPECT_FALSE(decoder.undecided());
}

TEST(TerminalKeys, APasteIsOneKey) {
  const std::string bytes = "x\033[200~one\r\ntwo\r\033[31mthree\xff\n\n\033[201~y\033[200~\033[201~z";
  for (size_t piece = 1; piece < 40; ++piece) {
    KeyDecoder decoder;
    EXPECT_EQ(all_keys(bytes, piece, decoder), (std::u32string{U'x', keys::kPaste, U'y', keys::kPaste, U'z'}));
    EXPECT_EQ(decoder.take_paste(), "one\ntwo\n?[31mthree?");
    EXPECT_EQ(decoder.take_paste(), "");
  }
  KeyDecoder decoder;
  decoder.feed("\033[200~lines\r");
  EXPECT_EQ(decoder.next(), std::nullopt);
  EXPECT_FALSE(decoder.undecided()) << "its end is waited for, however long that takes";
  decoder.clear();
  decoder.feed("a");
  EXPECT_EQ(decoder.next(), U'a');
}

TEST(TerminalKeys, LongTextsHaveLabels) {
  cli::Folds folds;
  EXPECT_EQ(folds.fold("short\ntext"), "short\ntext");
  std::string lines, line(2000, 'x');
  for (int i = 0; i < 50; ++i) lines += "line [text 2: 2000 characters]\n";
  const std::string first = folds.fold(lines + "end"), second = folds.fold(line);
  EXPECT_EQ(first, "[text 1: 51 lines]");
  EXPECT_EQ(second, "[text 2: 2000 characters]");
  EXPECT_EQ(folds.unfold("see " + first + " and " + second + first), "see " + lines + "end and " + line + lines + "end");
  EXPECT_EQ(folds.unfold("[text 3: 5 lines]"), "[text 3: 5 lines]");
  EXPECT_EQ(folds.unfold(""), "");
}

}  // namespace
}  // namespace gptq::testing
