// Regular expressions: Unicode, offsets, anchoring like Python's re.match, and limits against hostile patterns.
#include "core/regex.h"

#include "tests/checkpoint/model_files.h"

namespace gptq {
namespace {

using testing::expect_error;
using Range = std::pair<size_t, size_t>;

TEST(Regex, FindsByteOffsets) {
  const Regex words(R"(\p{L}+)", "test");
  EXPECT_EQ(words.find("1 größe x"), (Range{2, 9}));
  EXPECT_EQ(words.find("1 größe x", 9), (Range{10, 11}));
  EXPECT_EQ(words.find("123"), std::nullopt);
  EXPECT_EQ(Regex(R"(\s+(?!\S)|\s)", "test").find("a   b"), (Range{1, 3}));
  EXPECT_EQ(Regex(R"((?i)'S)", "test").find("it's"), (Range{2, 4}));
  EXPECT_EQ(Regex("", "test").find("", 0), (Range{0, 0}));
}

TEST(Regex, MatchesStart) {
  EXPECT_TRUE(Regex("b|ab", "test").matches_start("ab"));
  EXPECT_FALSE(Regex("b", "test").matches_start("ab"));
  EXPECT_TRUE(Regex(R"(.*\.mlp\.)", "test").matches_start("model.layers.0.mlp.up_proj"));
  EXPECT_TRUE(Regex("", "test").matches_start("x"));
}

TEST(Regex, Multiline) {
  Regex::Options options;
  options.multiline = true;
  EXPECT_EQ(Regex("^b", "test", options).find("a\nb"), (Range{2, 3}));
  EXPECT_EQ(Regex("^b", "test").find("a\nb"), std::nullopt);
}

TEST(Regex, BadAndHostilePatterns) {
  for (const char* pattern : {"(", "[a", "a{2,1}", "(?<n", "\\", "\\C", "(?P<a>x)(?P<a>y)", "\xff"}) {
    expect_error(ErrorKind::kVerification, {"rules.json"}, [&] { Regex(pattern, "rules.json"); });
  }
  const Regex slow("(a*)*b", "rules.json");
  expect_error(ErrorKind::kVerification, {"rules.json"}, [&] {
    if (!slow.find(std::string(40, 'a') + "c")) throw Error(ErrorKind::kVerification, "rules.json: no match");
  });
}

}  // namespace
}  // namespace gptq
