// Word wrap of text that arrives in pieces, and the sign that something is being waited for.
#include "apps/cli/word_wrap.h"

#include <gtest/gtest.h>
#include <algorithm>
#include <random>
#include <sstream>
#include <vector>

#include "apps/cli/spinner.h"
#include "apps/cli/streams.h"
#include "tests/cli/terminal.h"

namespace gptq::testing {
namespace {

using cli::columns_of;
using cli::WordWrap;

std::string wrapped(const std::string& text, size_t width) {
  WordWrap wrap;
  const std::string begin = wrap.push(text, width);
  return begin + wrap.finish();
}

const std::string kMarkdown =
    "A paragraph of several words, which is longer than a line.  \nSecond line\n\n"
    "- an item whose text goes on below its text, not below its marker\n  - one inside of it, which is long as well\n"
    "12. numbered, and also longer than this line\n\n```python\nprint('a line of code is kept unchanged, however long "
    "it "
    "is')\n"
    "\tif x:   y\n```\nAfterwards words are wrapped again, as before the code.\n"
    "| a table | has rows | which are left | as they are |\n"
    "https://example.org/a/very/long/address/that/no/line/can/hold and more words\n"
    "日本語の文章には空白がないので、どこでも改行できます。 cafe\u0301 \U0001F469\u200D\U0001F680 end   \n";

TEST(WordWrap, BreaksBetweenWords) {
  EXPECT_EQ(wrapped("one two three four five", 10), "one two\nthree four\nfive");
  EXPECT_EQ(wrapped("one two  three", 11), "one two\nthree") << "spaces where a line ends are not shown";
  EXPECT_EQ(wrapped("one two", 80), "one two");
  EXPECT_EQ(wrapped("one two\n\n  three \n", 80), "one two\n\n  three \n");
  EXPECT_EQ(wrapped("exactly 10", 10), "exactly 10");
  EXPECT_EQ(wrapped("", 10), "");
  EXPECT_EQ(wrapped("one two three", 5), "one two three") << "nothing fits there";
}

TEST(WordWrap, LongWordsAndCodeStay) {
  EXPECT_EQ(wrapped("see abcdefghijklmnop for more", 10), "see\nabcdefghijklmnop\nfor more");
  const std::string code = "```\nint main() { return 0; }\n```\n";
  EXPECT_EQ(wrapped(code + "one two three", 10), code + "one two\nthree");
  EXPECT_EQ(wrapped("~~~~\na b c d e f g\n~~~\na b c d e f g\n~~~~\na b c d e f g", 10),
            "~~~~\na b c d e f g\n~~~\na b c d e f g\n~~~~\na b c d e\nf g");
  EXPECT_EQ(wrapped("```code``` in a line", 12), "```code```\nin a line");
  EXPECT_EQ(wrapped("| a | b | c | d |", 10), "| a | b | c | d |");
}

TEST(WordWrap, ListsGoOnBelowTheirText) {
  EXPECT_EQ(wrapped("- one two three", 10), "- one two\n  three");
  EXPECT_EQ(wrapped("  * one two three", 11), "  * one two\n    three");
  EXPECT_EQ(wrapped("10. one two three", 11), "10. one two\n    three");
  EXPECT_EQ(wrapped("  one two three", 10), "  one two\n  three");
  EXPECT_EQ(wrapped("        one two three", 12), "        one\ntwo three") << "a deep indent would leave no room";
}

TEST(WordWrap, CountsColumnsNotBytes) {
  EXPECT_EQ(columns_of("aé日e\u0301\U0001F680"), 1u + 1 + 2 + 1 + 2);
  EXPECT_EQ(wrapped("äöü äöü äöü", 10), "äöü äöü\näöü");
  EXPECT_EQ(wrapped("日本語日本語日本語", 10), "日本語日本\n語日本語");
  EXPECT_EQ(wrapped("12345678 \U0001F469\u200D\U0001F680", 11), "12345678\n\U0001F469\u200D\U0001F680") << "joined";
  EXPECT_EQ(wrapped("a\tb c d", 11), "a\tb c\nd");
}

TEST(WordWrap, NothingSteersTheTerminal) {
  EXPECT_EQ(wrapped("a\033[2Jb \u202ec\rd", 80), "a?[2Jb ?c?d");
  EXPECT_EQ(wrapped("\033\033\033\033 \033\033\033\033\033 \033", 10), "???? ?????\n?");
}

TEST(WordWrap, PiecesGiveTheSameAsTheWhole) {
  std::mt19937 random(7);
  std::vector<std::string> characters;
  for (size_t i = 0; i < kMarkdown.size();) {
    size_t end = i + 1;
    while (end < kMarkdown.size() && (static_cast<unsigned char>(kMarkdown[end]) & 0xC0) == 0x80) ++end;
    characters.push_back(kMarkdown.substr(i, end - i));
    i = end;
  }
  for (size_t width = 10; width < 90; width += 3) {
    const std::string whole = wrapped(kMarkdown, width);
    for (int run = 0; run < 5; ++run) {
      WordWrap wrap;
      std::string shown, piece;
      for (const std::string& character : characters) {
        piece += character;
        if (run > 0 && random() % static_cast<unsigned>(run * run) != 0) continue;
        shown += wrap.push(piece, width);
        piece.clear();
      }
      shown += wrap.push(piece, width);
      ASSERT_EQ(shown + wrap.finish(), whole) << "width " << width << ", run " << run;
    }
  }
}

TEST(WordWrap, LinesFitAndNoTextIsLost) {
  const auto without_spaces = [](std::string text) {
    text.erase(std::remove_if(text.begin(), text.end(), [](char c) { return c == ' ' || c == '\n'; }), text.end());
    return text;
  };
  const std::string prose = kMarkdown.substr(0, kMarkdown.find("```"));
  for (size_t width = 16; width < 90; ++width) {
    const std::string text = wrapped(prose, width);
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(columns_of(line), width) << line;
    EXPECT_EQ(without_spaces(text), without_spaces(prose));
    EXPECT_EQ(without_spaces(wrapped(kMarkdown, width)), without_spaces(kMarkdown));
  }
}

// ---- the spinner

std::string screen_of(int terminal, const std::string& until) {
  std::string screen;
  char chunk[256];
  while (!has(screen, until)) {
    const ssize_t got = read(terminal, chunk, sizeof chunk);
    if (got <= 0) break;
    screen.append(chunk, static_cast<size_t>(got));
  }
  return screen;
}

TEST(Spinner, IsGoneBeforeTheText) {
  int terminal = -1;
  const pid_t child = forkpty(&terminal, nullptr, nullptr, nullptr);
  if (child == 0) {
    cli::Spinner spinner("reading");
    char key = 0;
    (void)!read(STDIN_FILENO, &key, 1);
    spinner.stop();
    cli::put_error("text");
    pause();
    _exit(0);
  }
  EXPECT_TRUE(has(screen_of(terminal, "reading.."), "reading"));
  (void)!write(terminal, "\n", 1);
  const std::string screen = screen_of(terminal, "text");
  EXPECT_TRUE(screen.ends_with("\r\033[Ktext")) << screen;
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(terminal);
}

TEST(Spinner, ShowsNothingWhenStoppedSoonOrNotWanted) {
  int terminal = -1;
  const pid_t child = forkpty(&terminal, nullptr, nullptr, nullptr);
  if (child == 0) {
    cli::Spinner("reading").stop();
    const cli::Spinner unwanted("reading", false);
    usleep(300'000);
    cli::put_error("text");
    pause();
    _exit(0);
  }
  EXPECT_EQ(screen_of(terminal, "text"), "text");
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(terminal);
}

}  // namespace
}  // namespace gptq::testing
