// Where tokens come from, through every kind of component; the places are the reference's, some of them surprising.
#include <gtest/gtest.h>

#include "tests/tokenizer/make_tokenizer.h"

namespace gptq::tokenizer {
namespace {

using Offsets = std::vector<std::pair<size_t, size_t>>;

// Single characters are tokens, everything else is unknown.
Tokenizer tokenizer(const std::string& parts, const std::string& model = "") {
  return make_tokenizer("{" + parts + R"("model":)" +
                        (model.empty() ? R"({"type":"WordPiece","unk_token":"?","continuing_subword_prefix":"",
                            "max_input_chars_per_word":100,"vocab":{"?":0,"a":1,"b":2,"_":3," ":4,"e":5,"\u0301":6,"\u00e9":7}})"
                                       : model) +
                        "}");
}

Offsets offsets(const Tokenizer& t, const std::string& text) {
  const Encoding encoding = t.encode_with_offsets(text);
  EXPECT_EQ(encoding.ids, t.encode(text));
  return encoding.offsets;
}

TEST(Offsets, CountCharactersNotBytes) {
  EXPECT_EQ(offsets(tokenizer(""), "éab"), (Offsets{{0, 1}, {1, 2}, {2, 3}}));
  EXPECT_EQ(offsets(tokenizer(""),
                    "\xFF"
                    "a"),
            (Offsets{{0, 2}}))
      << "a broken byte is one character, here unknown";
  EXPECT_EQ(offsets(tokenizer(""), ""), Offsets{});
}

TEST(Offsets, OfNormalizedTextAreThoseOfTheOriginal) {
  // A composed character has the place of its base; the mark has none.
  EXPECT_EQ(offsets(tokenizer(R"("normalizer":{"type":"NFC"},)"), "ae\u0301b"), (Offsets{{0, 1}, {1, 2}, {3, 4}}));
  EXPECT_EQ(offsets(tokenizer(R"("normalizer":{"type":"NFD"},)"), "a\u00e9b"),
            (Offsets{{0, 1}, {1, 2}, {1, 2}, {2, 3}}));
  EXPECT_EQ(offsets(tokenizer(R"("normalizer":{"type":"Prepend","prepend":"_"},)"), "ab"),
            (Offsets{{0, 1}, {0, 1}, {1, 2}}));
  EXPECT_EQ(offsets(tokenizer(R"("normalizer":{"type":"Strip"},)"), "  ab "), (Offsets{{2, 3}, {3, 4}}));
  // What a match is replaced with belongs to the match's last character.
  EXPECT_EQ(offsets(tokenizer(R"("normalizer":{"type":"Replace","pattern":{"Regex":"x+"},"content":"_b"},)"), "axxa"),
            (Offsets{{0, 1}, {2, 3}, {2, 3}, {3, 4}}));
}

TEST(Offsets, OfWords) {
  const Tokenizer t = tokenizer(R"("pre_tokenizer":{"type":"Metaspace","replacement":"_","prepend_scheme":"always"},)");
  EXPECT_EQ(offsets(t, "a b"), (Offsets{{0, 1}, {0, 1}, {1, 2}, {2, 3}}));
  EXPECT_EQ(offsets(tokenizer(R"("pre_tokenizer":{"type":"WhitespaceSplit"},)"), " a  b"), (Offsets{{1, 2}, {4, 5}}));
}

TEST(Offsets, AddedTokensOwnTheSpaceThatTheySwallow) {
  const Tokenizer t = tokenizer(R"("added_tokens":[{"content":"<l>","lstrip":true},{"content":"<r>","rstrip":true}],)");
  EXPECT_EQ(offsets(t, "a  <l>b<r> \nb"), (Offsets{{0, 1}, {1, 6}, {6, 7}, {7, 12}, {12, 13}}));
}

TEST(Offsets, BytesStandForTheirCharacterAndDroppedCharactersDisplace) {
  const std::string bytes = R"({"type":"BPE","vocab":{"a":0,"<0xC3>":1,"<0xA9>":2},"merges":[],"byte_fallback":true})";
  EXPECT_EQ(offsets(tokenizer("", bytes), "aéa"), (Offsets{{0, 1}, {1, 2}, {1, 2}, {2, 3}}));
  const std::string dropping = R"({"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]})";
  EXPECT_EQ(offsets(tokenizer("", dropping), "xab"), (Offsets{{0, 2}}));
}

TEST(Offsets, PostProcessorsTrimAndAdd) {
  const std::string model = R"({"type":"BPE","vocab":{"a":0,"Ġ":1,"Ġa":2},"merges":["Ġ a"]})";
  const std::string pre = R"("pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"use_regex":false},)";
  const auto post = [](const std::string& trim) {
    return R"("post_processor":{"type":"RobertaProcessing","cls":["a",0],"sep":["a",0],"add_prefix_space":false,
        "trim_offsets":)" +
           trim + "},";
  };
  EXPECT_EQ(offsets(tokenizer(pre + post("true"), model), " a a"), (Offsets{{0, 0}, {1, 2}, {3, 4}, {0, 0}}));
  EXPECT_EQ(offsets(tokenizer(pre + post("false"), model), " a a"), (Offsets{{0, 0}, {0, 2}, {2, 4}, {0, 0}}));
}

}  // namespace
}  // namespace gptq::tokenizer
