// Every decoder type.
#include "core/json.h"
#include "tokenizer/components/token_decoder.h"

#include <gtest/gtest.h>

#include <gptq/error.h>

namespace gptq::tokenizer {
namespace {

const std::string kBad = "\xEF\xBF\xBD";

std::string decode(const std::string& json, std::vector<std::string> tokens) {
  TextBudget budget("decoding", 100);
  make_token_decoder(parse_json(json, "test"), "test")->apply(tokens, budget);
  std::string text;
  for (const std::string& token : tokens) text += token;
  return text;
}

TEST(Decoder, NoneJoinsWithSpaces) { EXPECT_EQ(decode("null", {"a", "b"}), "a b"); }

TEST(Decoder, ByteFallbackRunsAreValidAsAWhole) {
  const std::string json = R"({"type":"ByteFallback"})";
  EXPECT_EQ(decode(json, {"a", "<0xC3>", "<0xA9>", "b"}),
            "a\xC3\xA9"
            "b");
  EXPECT_EQ(decode(json, {"<0xC3>", "<0xA9>", "<0xC3>"}), kBad + kBad + kBad);
  EXPECT_EQ(decode(json, {"<0xG0>", "<0x411>"}), "<0xG0><0x411>");
}

TEST(Decoder, Sequence) {
  const std::string json = R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"_"},"content":" "},
      {"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]})";
  EXPECT_EQ(decode(json, {"_Hi", "_", "_you"}), "Hi  you");
  EXPECT_EQ(decode(json, {"__Hi"}), " Hi");
  EXPECT_EQ(decode(json, {}), "");
}

TEST(Decoder, StripWorksOnEveryToken) {
  EXPECT_EQ(decode(R"({"type":"Strip","content":"x","start":1,"stop":2})", {"xxaxxx", "x", "bx"}), "xaxb");
}

TEST(Decoder, MetaspaceDropsTheFirstMarks) {
  EXPECT_EQ(decode(R"({"type":"Metaspace","replacement":"_","prepend_scheme":"always"})", {"_a", "_b"}), "a b");
  EXPECT_EQ(decode(R"({"type":"Metaspace","replacement":"_","prepend_scheme":"never"})", {"_a", "_b"}), " a b");
}

TEST(Decoder, ByteLevelReplacesMaximalSubparts) {
  const std::string json = R"({"type":"ByteLevel"})";
  EXPECT_EQ(decode(json, {"a\xC4\xA0", "\xC3\x83\xC2\xA9"}), "a \xC3\xA9");
  EXPECT_EQ(decode(json, {"\xC3\xB0\xC5\x81\xC4\xBA", "x"}), kBad + "x");  // F0 9F 98, then x
  EXPECT_EQ(decode(json, {"<\xE4\xBD\xA0>"}), "<\xE4\xBD\xA0>");           // outside the alphabet: its own UTF-8
}

TEST(Decoder, EndOfWordAndWordPiece) {
  EXPECT_EQ(decode(R"({"type":"BPEDecoder","suffix":"</w>"})", {"a", "b</w>", "c</w>"}), "ab c");
  EXPECT_EQ(decode(R"({"type":"WordPiece","prefix":"##","cleanup":false})", {"a", "##b", "c", "."}), "ab c .");
  EXPECT_EQ(decode(R"({"type":"WordPiece"})", {"a", "##b", "c", "."}), "ab c.");
}

TEST(Decoder, CtcJoinsRepetitionsThatNoPaddingParts) {
  EXPECT_EQ(decode(R"({"type":"CTC"})", {"<pad>", "h", "h", "e", "l", "<pad>", "l", "o", "|", "|", "w", " ."}),
            "hello w.");
  EXPECT_EQ(decode(R"({"type":"CTC","cleanup":false})", {"a", "|", "<pad>", " ."}), "a| .");
}

TEST(Decoder, ByteTokensMayCarryASign) {
  EXPECT_EQ(decode(R"({"type":"ByteFallback"})", {"<0x+A>", "<0x41>", "<0x++>"}), "\nA<0x++>");
}

TEST(Decoder, UnsupportedTypeIsNamed) {
  EXPECT_THROW(decode(R"({"type":"Viterbi"})", {}), Error);
  EXPECT_THROW(decode(R"({"type":"Strip","content":"ab"})", {}), Error);
}

}  // namespace
}  // namespace gptq::tokenizer
