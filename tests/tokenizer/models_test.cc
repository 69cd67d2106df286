// Unigram, WordPiece, WordLevel: their rules one by one, and the trie below them.
#include <gtest/gtest.h>

#include <gptq/error.h>

#include "tests/tokenizer/make_tokenizer.h"
#include "tokenizer/components/model_tables.h"
#include "tokenizer/components/piece_trie.h"

namespace gptq::tokenizer {
namespace {

using Ids = std::vector<TokenId>;

Tokenizer model(const std::string& fields) { return make_tokenizer(R"({"model":{)" + fields + "}}"); }

Tokenizer unigram(const std::string& vocab, const std::string& fields) {
  return model(R"("type":"Unigram","vocab":)" + vocab + fields);
}

TEST(Unigram, TheBestSumOfScoresWins) {
  const Tokenizer t =
      unigram(R"([["u",0],["a",0],["b",0],["c",0],["d",0],["cd",1],["ab",2],["abc",5],["abcd",10]])", R"(,"unk_id":0)");
  EXPECT_EQ(t.encode("abcd"), Ids{8});
  EXPECT_EQ(t.encode("abcdacd"), (Ids{8, 1, 5}));
  EXPECT_EQ(t.encode("abcacd"), (Ids{7, 1, 5}));
}

TEST(Unigram, OfEqualSumsTheOneFoundFirstStays) {
  EXPECT_EQ(unigram(R"([["a",-1],["ab",-2],["bc",-1],["c",0]])", "").encode("abc"), (Ids{0, 2}));
}

TEST(Unigram, NeighbouringUnknownsAreOneAndMayBeBytes) {
  const std::string vocab = R"([["u",0],["a",-1],["<0xC3>",-1],["<0xA9>",-1])";
  EXPECT_EQ(unigram(vocab + "]", R"(,"unk_id":0)").encode("xxaé"), (Ids{0, 1, 0}));
  EXPECT_EQ(unigram(vocab + "]", R"(,"unk_id":0,"byte_fallback":true)").encode("aéé"), (Ids{1, 2, 3, 2, 3}));
  EXPECT_EQ(unigram(vocab + "]", R"(,"unk_id":0,"byte_fallback":true)").encode("éx"), Ids{0}) << "x has no byte token";
  // With scores above ten two unknowns beat the piece, and are then found in the vocabulary after all.
  EXPECT_EQ(unigram(R"([["u",100],["xx",101]])", R"(,"unk_id":0)").encode("xx"), Ids{1});
}

TEST(Unigram, APieceListedTwiceHasItsLastId) {
  EXPECT_EQ(unigram(R"([["u",0],["a",-1],["a",-2]])", R"(,"unk_id":0)").encode("a"), Ids{2});
}

TEST(Unigram, WithoutUnknownTokenTheTextIsRefused) {
  EXPECT_THROW(unigram(R"([["a",-1]])", "").encode("b"), Error);
  EXPECT_EQ(unigram(R"([["a",-1]])", "").encode(""), Ids{});
}

TEST(Unigram, LongTextTakesLinearTime) {
  const Tokenizer t = unigram(R"([["u",0],["a",-1],["aa",-1.5],["aaaaaaaa",-5]])", R"(,"unk_id":0)");
  EXPECT_EQ(t.encode(std::string(1'000'000, 'a')).size(), 125'000u);
  EXPECT_EQ(t.encode(std::string(1'000'000, 'b')).size(), 1u);
}

TEST(Unigram, ScoresAreReadAsTheReferenceReadsThem) {
  EXPECT_EQ(reference_score("-12.563669634938593"), -12.563669634938591);  // the nearest double is another
  EXPECT_EQ(reference_score("-10.5"), -10.5);
  EXPECT_EQ(reference_score("1e3"), 1000.0);
  EXPECT_EQ(reference_score("-2.5E-1"), -0.25);
  EXPECT_EQ(reference_score("0.0e999999999999"), 0.0);
  EXPECT_EQ(reference_score("1e-400"), 0.0);
}

TEST(WordPiece, TheLongestPieceFromTheLeft) {
  const Tokenizer t = model(R"("type":"WordPiece","unk_token":"?","continuing_subword_prefix":"##",
      "max_input_chars_per_word":5,"vocab":{"?":0,"ab":1,"a":2,"##b":3,"##bc":4,"c":5})");
  EXPECT_EQ(t.encode("abb"), (Ids{1, 3}));
  EXPECT_EQ(t.encode("abbc"), (Ids{1, 4}));
  EXPECT_EQ(t.encode("abc"), Ids{0}) << "after ab there is no ##c, and nothing is tried again";
  EXPECT_EQ(t.encode("abbbb"), (Ids{1, 3, 3, 3}));
  EXPECT_EQ(t.encode("abbbbb"), Ids{0}) << "six characters";
}

TEST(WordLevel, AWordOrUnknown) {
  EXPECT_EQ(model(R"("type":"WordLevel","unk_token":"?","vocab":{"?":0,"ab":1})").encode("ab"), Ids{1});
  EXPECT_EQ(model(R"("type":"WordLevel","unk_token":"?","vocab":{"?":0,"ab":1})").encode("a"), Ids{0});
  EXPECT_THROW(model(R"("type":"WordLevel","unk_token":"?","vocab":{"ab":1})").encode("a"), Error);
}

TEST(Models, WithoutTypeTheKeysTell) {
  EXPECT_EQ(model(R"("vocab":{"a":0,"b":1,"ab":2},"merges":["a b"])").encode("ab"), Ids{2});
  EXPECT_EQ(model(R"("unk_token":"a","continuing_subword_prefix":"##","max_input_chars_per_word":9,
      "vocab":{"a":0,"##b":1})")
                .encode("ab"),
            (Ids{0, 1}));
  EXPECT_EQ(model(R"("unk_token":"a","vocab":{"a":0,"ab":1})").encode("ab"), Ids{1});
  EXPECT_EQ(model(R"("unk_id":0,"vocab":[["a",0],["b",1]])").encode("ab"), (Ids{0, 1}));
}

TEST(PieceTrie, LongestAndFirst) {
  const PieceTrie trie({{"ab", 1}, {"a", 0}, {"abcd", 2}, {"ab", 7}, {"\xC3\xA9", 3}});
  EXPECT_EQ(trie.longest_match("xabcx", 1), (std::pair<int, size_t>{1, 2}));
  EXPECT_EQ(trie.longest_match("abcde", 0), (std::pair<int, size_t>{2, 4}));
  EXPECT_EQ(trie.longest_match("\xC3\xA9", 0), (std::pair<int, size_t>{3, 2}));
  EXPECT_EQ(trie.longest_match("b", 0).first, -1);
  EXPECT_FALSE(PieceTrie().may_start('a'));
  EXPECT_EQ(PieceTrie({{"", 4}}).longest_match("a", 0).first, -1) << "the empty string is not looked for";
}

}  // namespace
}  // namespace gptq::tokenizer
