// Calibration text: sources, windows, seed.
#include "quantize/calibration.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <set>

#include "tests/quantize/demo_model.h"

namespace gptq {
namespace {

using testing::TempFolder;

class CalibrationTest : public ::testing::Test {
 protected:
  Calibration load(const std::string& name, const std::string& text, int seqlen = 8, int samples = 1000) {
    write_file_atomic(folder_ / name, text);
    QuantizeOptions options = testing::quick_options("unused");
    options.calibration = {folder_ / name};
    options.seqlen = seqlen;
    options.samples = samples;
    return load_calibration(options, tokenizer_, 2048);
  }
  TempFolder folder_;
  Tokenizer tokenizer_ = Tokenizer::open(testing::demo_model());
};

const std::string kText = "It was a bright cold day in April, and the clocks were striking thirteen. She went home.";

TEST_F(CalibrationTest, PlainTextIsOneDocumentWithoutPadding) {
  const Calibration c = load("a.txt", kText);
  const std::vector<TokenId> all = tokenizer_.encode(kText);
  ASSERT_GE(all.size(), 16u);
  EXPECT_EQ(c.samples, static_cast<int64_t>(all.size()) / 8);
  EXPECT_EQ(c.tokens, std::vector<TokenId>(all.begin(), all.begin() + c.samples * 8));
  EXPECT_EQ(c.sha256.size(), 64u);
}

TEST_F(CalibrationTest, GzipAndPlainAgree) {
  const std::string path = folder_ / "a.txt.gz";
  gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, kText.data(), static_cast<unsigned>(kText.size()));
  gzclose(file);
  QuantizeOptions options = testing::quick_options("unused");
  options.calibration = {path};
  options.seqlen = 8;
  EXPECT_EQ(load_calibration(options, tokenizer_, 2048).tokens.size() / 8,
            load("a.txt", kText, 8, 4).tokens.size() / 8);
}

TEST_F(CalibrationTest, JsonLinesJoinDocumentsEachWithItsOwnSpecialTokens) {
  const Calibration c = load("a.jsonl", "{\"text\": \"It was a bright day.\"}\n\n{\"text\": \"She went home.\"}\n", 2);
  std::vector<TokenId> all = tokenizer_.encode("It was a bright day.");
  const std::vector<TokenId> second = tokenizer_.encode("She went home.");
  all.insert(all.end(), second.begin(), second.end());
  all.resize(all.size() / 2 * 2);
  EXPECT_EQ(c.tokens, all);
}

TEST_F(CalibrationTest, TextsThatAreRenderedAlreadyHaveOneBeginning) {
  const std::string rendered = "<s>[INST] Hi[/INST] Hello.</s>";
  const Calibration c = load("a.jsonl", "{\"text\": \"" + rendered + "\"}\n", 1);
  EXPECT_EQ(c.tokens, tokenizer_.encode(rendered, false));
  EXPECT_NE(c.tokens[1], tokenizer_.bos_id());
}

TEST_F(CalibrationTest, MessagesGoThroughTheChatTemplate) {
  const Calibration c = load("a.jsonl",
                             "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}, {\"role\": \"assistant\", "
                             "\"content\": \"Hello.\"}]}\n",
                             2);
  std::vector<TokenId> all = tokenizer_.encode("<s>[INST] Hi[/INST] Hello.</s>", false);
  all.resize(all.size() / 2 * 2);
  EXPECT_EQ(c.tokens, all);
}

TEST_F(CalibrationTest, SeedDrawsDistinctWindows) {
  QuantizeOptions options = testing::quick_options("unused");
  options.calibration.clear();  // the built-in text
  options.seqlen = 64;
  options.samples = 100;
  const Calibration a = load_calibration(options, tokenizer_, 2048),
                    again = load_calibration(options, tokenizer_, 2048);
  options.seed = 1;
  const Calibration b = load_calibration(options, tokenizer_, 2048);
  EXPECT_EQ(a.tokens, again.tokens);
  EXPECT_NE(a.tokens, b.tokens);
  EXPECT_EQ(a.name, "built-in");
  std::set<std::vector<TokenId>> windows;
  for (int64_t i = 0; i < a.samples; ++i) windows.insert({a.tokens.begin() + i * 64, a.tokens.begin() + (i + 1) * 64});
  EXPECT_EQ(windows.size(), 100u);
}

TEST_F(CalibrationTest, SeqlenIsShortenedToTheContext) {
  QuantizeOptions options = testing::quick_options("unused");
  options.seqlen = 4096;
  const Calibration c = load_calibration(options, tokenizer_, 2048);
  EXPECT_EQ(c.seqlen, 2048);
  EXPECT_NE(c.notes.at(0).find("2048"), std::string::npos);
}

// The AutoGPTQ guide calibrates with this one sentence.
TEST_F(CalibrationTest, ATextShorterThanAWindowIsOneShorterWindow) {
  const std::string sentence =
      "auto-gptq is an easy-to-use model quantization library with user-friendly apis, based on GPTQ algorithm.";
  const Calibration c = load("guide.txt", sentence, 2048);
  EXPECT_EQ(c.tokens, tokenizer_.encode(sentence));
  EXPECT_EQ(c.samples, 1);
  EXPECT_EQ(c.seqlen, static_cast<int64_t>(c.tokens.size()));
  ASSERT_EQ(c.notes.size(), 1u);
  EXPECT_NE(c.notes[0].find("one window of that length"), std::string::npos);
}

TEST_F(CalibrationTest, SeveralFilesAreOneTextAndAllOfThemCount) {
  write_file_atomic(folder_ / "b.jsonl", "{\"text\": \"She went home.\"}\n");
  write_file_atomic(folder_ / "a.txt", kText);
  QuantizeOptions options = testing::quick_options("unused");
  options.calibration = {folder_ / "a.txt", folder_ / "b.jsonl"};
  options.seqlen = 1;
  options.samples = 1000;
  const Calibration both = load_calibration(options, tokenizer_, 2048);
  std::vector<TokenId> all = tokenizer_.encode(kText);
  const std::vector<TokenId> second = tokenizer_.encode("She went home.");
  all.insert(all.end(), second.begin(), second.end());
  EXPECT_EQ(both.tokens, all);
  EXPECT_EQ(both.name, "a.txt, b.jsonl");
  options.calibration.pop_back();
  EXPECT_NE(load_calibration(options, tokenizer_, 2048).sha256, both.sha256);
}

}  // namespace
}  // namespace gptq
