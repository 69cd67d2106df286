// Streaming adds up to decode(), for any ids and any decoder, and never cuts a character.
#include <gtest/gtest.h>

#include <random>

#include <gptq/tokenizer.h>

#include "core/json.h"
#include "tests/tokenizer/make_tokenizer.h"
#include "tokenizer/components/byte_level.h"
#include "unicode/characters.h"

namespace gptq::tokenizer {
namespace {

// A vocabulary of all bytes in the given spelling and some words; id 0 is a control token.
Tokenizer tokenizer_with(const std::string& decoder, bool byte_alphabet_spelling) {
  Json vocab = Json::object();
  int next = 1;
  for (int byte = 0; byte < 256; ++byte) {
    static constexpr char kHex[] = "0123456789ABCDEF";
    const std::string fallback = std::string("<0x") + kHex[byte >> 4] + kHex[byte & 15] + ">";
    vocab[byte_alphabet_spelling ? std::string(byte_alphabet(static_cast<unsigned char>(byte))) : fallback] = next++;
  }
  for (const char* word : {"▁a", "▁", "bc", "▁▁", "é", "😀", "x</w>", "##y", "aa", "ĠHi"}) vocab[word] = next++;
  const std::string json =
      R"({"added_tokens":[{"id":0,"content":"<s>","special":true,"normalized":false}],"decoder":)" + decoder +
      R"(,"model":{"type":"BPE","merges":[],"vocab":)" + vocab.dump() + "}}";
  return make_tokenizer(json);
}

void check(const Tokenizer& tokenizer, unsigned seed) {
  std::mt19937 random(seed);
  const auto size = static_cast<unsigned>(tokenizer.vocab_size());
  for (int round = 0; round < 400; ++round) {
    std::vector<TokenId> ids(random() % 60);
    const bool words = round % 2 == 0;
    for (TokenId& id : ids)
      id = static_cast<TokenId>(words && random() % 3 > 0 ? size - 1 - random() % 12 : random() % (size + 2));
    for (const bool skip : {true, false}) {
      StreamingDecoder decoder(tokenizer, skip);
      std::string text;
      for (const TokenId id : ids) {
        const std::string piece = decoder.push(id);
        ASSERT_TRUE(is_valid_utf8(piece));
        text += piece;
      }
      text += decoder.finish();
      ASSERT_EQ(text, tokenizer.decode(ids, skip)) << "round " << round;
    }
  }
}

TEST(StreamingDecoder, ByteFallback) {
  check(tokenizer_with(R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},
        {"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]})",
                       false),
        1);
}

TEST(StreamingDecoder, ByteLevel) { check(tokenizer_with(R"({"type":"ByteLevel"})", true), 2); }

TEST(StreamingDecoder, OtherDecoders) {
  check(tokenizer_with("null", false), 3);
  check(tokenizer_with(R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"always"})", false), 4);
  check(tokenizer_with(R"({"type":"BPEDecoder","suffix":"</w>"})", false), 5);
  check(tokenizer_with(R"({"type":"WordPiece","prefix":"##"})", false), 6);
  check(tokenizer_with(
            R"({"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"Strip","content":"a","start":3,"stop":0}]})",
            false),
        7);
}

TEST(StreamingDecoder, WordsComeOutAtOnce) {
  const Tokenizer tokenizer = Tokenizer::open(std::string(GPTQ_SOURCE_DIR) + "/models/demo");
  const std::vector<TokenId> ids = tokenizer.encode("The quick brown fox jumps over it", false);
  StreamingDecoder decoder(tokenizer);
  std::string text;
  for (size_t i = 0; i < ids.size(); ++i) {
    text += decoder.push(ids[i]);
    EXPECT_EQ(text, tokenizer.decode({ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(i) + 1}));
  }
  EXPECT_EQ(decoder.finish(), "");
}

TEST(StreamingDecoder, ACharacterInPartsComesOutWhole) {
  const Tokenizer tokenizer = tokenizer_with(R"({"type":"ByteLevel"})", true);
  StreamingDecoder decoder(tokenizer);
  const auto push = [&](unsigned char byte) { return decoder.push(tokenizer.id_of(byte_alphabet(byte))); };
  for (const unsigned char byte : {0xF0, 0x9F, 0x98}) EXPECT_EQ(push(byte), "");
  EXPECT_EQ(push(0x80), "\xF0\x9F\x98\x80");
  EXPECT_EQ(push(0xE4), "");
  EXPECT_EQ(decoder.finish(), "\xEF\xBF\xBD");
}

// What comes behind a prompt is the rest of the whole text: no space is lost at the seam.
void check_follow(const Tokenizer& tokenizer, unsigned seed) {
  std::mt19937 random(seed);
  const auto size = static_cast<unsigned>(tokenizer.vocab_size());
  int compared = 0;
  for (int round = 0; round < 400; ++round) {
    std::vector<TokenId> ids(random() % 40);
    for (TokenId& id : ids) id = static_cast<TokenId>(random() % 3 > 0 ? size - 1 - random() % 12 : random() % size);
    const auto seam = ids.begin() + static_cast<std::ptrdiff_t>(random() % (ids.size() + 1));
    const std::vector<TokenId> prompt(ids.begin(), seam);
    const std::string front = tokenizer.decode(prompt), whole = tokenizer.decode(ids);
    // Characters and runs of bytes that the seam cuts are nobody's: they have tests of their own.
    std::string last;
    for (const TokenId id : prompt)
      if (!tokenizer.token(id).empty() && !tokenizer.is_special(id)) last = tokenizer.token(id);
    if (!whole.starts_with(front) || front.ends_with("\xEF\xBF\xBD") || last.starts_with("<0x")) continue;
    ++compared;
    StreamingDecoder decoder(tokenizer);
    decoder.follow(prompt);
    std::string text;
    for (auto id = seam; id != ids.end(); ++id) text += decoder.push(*id);
    ASSERT_EQ(text + decoder.finish(), whole.substr(front.size()))
        << "round " << round << " behind \"" << front << "\", " << ::testing::PrintToString(ids) << " at "
        << prompt.size();
  }
  EXPECT_GT(compared, 50);
}

TEST(StreamingDecoder, GoesOnBehindAPrompt) {
  check_follow(
      tokenizer_with(R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},
        {"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]})",
                     false),
      11);
  check_follow(tokenizer_with(R"({"type":"ByteLevel"})", true), 12);
  check_follow(tokenizer_with(R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"always"})", false), 13);
  check_follow(tokenizer_with(R"({"type":"BPEDecoder","suffix":"</w>"})", false), 14);
  check_follow(tokenizer_with(R"({"type":"WordPiece","prefix":"##"})", false), 15);
  const Tokenizer demo = Tokenizer::open(std::string(GPTQ_SOURCE_DIR) + "/models/demo");
  const std::vector<TokenId> prompt = demo.encode("Once upon"), rest = demo.encode("a time", false);
  StreamingDecoder decoder(demo);
  decoder.follow(prompt);
  std::string text;
  for (const TokenId id : rest) text += decoder.push(id);
  EXPECT_EQ(text + decoder.finish(), " a time");
}

TEST(StreamingDecoder, ACharacterThatBeginsInThePrompt) {
  const Tokenizer tokenizer = tokenizer_with(R"({"type":"ByteLevel"})", true);
  const auto id = [&](unsigned char byte) { return tokenizer.id_of(byte_alphabet(byte)); };
  StreamingDecoder cut(tokenizer);
  cut.follow({id('a'), id(0xF0), id(0x9F)});
  std::string text;
  for (const unsigned char byte : {0x98, 0x80, 0x62}) text += cut.push(id(byte));
  EXPECT_EQ(text,
            "\xF0\x9F\x98\x80"
            "b");
  StreamingDecoder replaced(tokenizer);  // a prompt that really ends with U+FFFD
  replaced.follow({id('a'), id(0xEF), id(0xBF), id(0xBD)});
  EXPECT_EQ(replaced.push(id('b')), "b");
}

TEST(StreamingDecoder, EndlessInvalidBytesStayCheap) {
  const Tokenizer tokenizer = tokenizer_with(R"({"type":"ByteLevel"})", true);
  StreamingDecoder decoder(tokenizer);
  size_t size = 0;
  for (int i = 0; i < 50'000; ++i) size += decoder.push(tokenizer.id_of(byte_alphabet(0xFF))).size();
  EXPECT_EQ(size + decoder.finish().size(), 150'000u);
}

}  // namespace
}  // namespace gptq::tokenizer
