// Calibration text: sources, windows, seed.
#include "quantize/calibration.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <set>

#include "tests/quantize/demo_model.h"

namespace gptq::quantization {
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
    return load_calibration(options, &tokenizer_, 2048);
  }
  TempFolder folder_;
  Tokenizer tokenizer_ = Tokenizer::open(testing::demo_model());
};

const std::string kText = "It was a bright cold day in April, and the clocks were striking thirteen. She went home.";

TEST_F(CalibrationTest, PlainTextIsOneDocumentWithoutPadding) {
  const Calibration c = load("a.txt", kText);
  const std::vector<TokenId> all = tokenizer_.encode(kText);
  ASSERT_GE(all.size(), 16u);
  EXPECT_EQ(c.lengths, std::vector<int64_t>(all.size() / 8, 8));
  EXPECT_EQ(c.tokens, std::vector<TokenId>(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(all.size() / 8 * 8)));
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
  EXPECT_EQ(load_calibration(options, &tokenizer_, 2048).tokens.size() / 8,
            load("a.txt", kText, 8, 4).tokens.size() / 8);
}

TEST_F(CalibrationTest, LongRowsAreJoinedEachWithItsOwnSpecialTokens) {
  const Calibration c = load("a.jsonl", "{\"text\": \"It was a bright day.\"}\n\n{\"text\": \"She went home.\"}\n", 2);
  std::vector<TokenId> all = tokenizer_.encode("It was a bright day.");
  const std::vector<TokenId> second = tokenizer_.encode("She went home.");
  all.insert(all.end(), second.begin(), second.end());
  all.resize(all.size() / 2 * 2);
  EXPECT_EQ(c.tokens, all);
}

TEST_F(CalibrationTest, ShorterRowsAreWindowsOfTheirOwn) {
  const std::string rows = "{\"text\": \"She went home.\"}\n\n{\"text\": \"" + kText + "\"}\n{\"text\": \"Yes.\"}\n";
  const std::vector<TokenId> first = tokenizer_.encode("She went home."), second = tokenizer_.encode(kText),
                             third = tokenizer_.encode("Yes.");
  ASSERT_GT(first.size(), third.size());
  ASSERT_LT(first.size(), 12u);
  ASSERT_GE(second.size(), 24u);
  const Calibration c = load("a.jsonl", rows, 12);
  std::vector<int64_t> lengths(second.size() / 12, 12);
  lengths.push_back(static_cast<int64_t>(first.size()));
  lengths.push_back(static_cast<int64_t>(third.size()));
  EXPECT_EQ(c.lengths, lengths) << "longest first";
  std::vector<TokenId> all(second.begin(), second.begin() + static_cast<std::ptrdiff_t>(second.size() / 12 * 12));
  all.insert(all.end(), first.begin(), first.end());
  all.insert(all.end(), third.begin(), third.end());
  EXPECT_EQ(c.tokens, all);
  EXPECT_EQ(c.seqlen, 12);
  ASSERT_EQ(c.notes.size(), 2u);
  EXPECT_NE(c.notes[0].find("2 are texts shorter than 12 tokens"), std::string::npos) << c.notes[0];
}

TEST_F(CalibrationTest, ShorterRowsAreDrawnUpToTheTokensOfTheWindowsAskedFor) {
  std::string rows;
  for (int i = 0; i < 200; ++i) rows += "{\"text\": \"" + kText.substr(0, static_cast<size_t>(8 + i % 70)) + "\"}\n";
  const Calibration c = load("a.jsonl", rows, 32, 10);
  EXPECT_GT(c.lengths.size(), 10u);
  EXPECT_LE(c.tokens.size(), 320u);
  EXPECT_GT(c.tokens.size(), 320u - 32u);
  EXPECT_TRUE(std::is_sorted(c.lengths.rbegin(), c.lengths.rend()));
}

TEST_F(CalibrationTest, SomeWindowsAreHeldApart) {
  QuantizeOptions options = testing::quick_options("unused");
  options.calibration.clear();  // the built-in text
  options.seqlen = 64;
  options.samples = 100;
  const Calibration c = load_calibration(options, &tokenizer_, 2048);
  EXPECT_EQ(c.lengths.size(), 100u);
  EXPECT_EQ(c.held.lengths, std::vector<int64_t>(4, 64));
  for (size_t h = 0; h < 4; ++h) {
    for (size_t i = 0; i < 100; ++i) {
      EXPECT_FALSE(std::equal(c.held.tokens.begin() + static_cast<std::ptrdiff_t>(64 * h),
                              c.held.tokens.begin() + static_cast<std::ptrdiff_t>(64 * h + 64),
                              c.tokens.begin() + static_cast<std::ptrdiff_t>(64 * i)));
    }
  }
  std::string text;
  for (int i = 0; i < 400; ++i) text += "Sentence number " + std::to_string(i * i) + " of this text. ";
  const Calibration all = load("a.txt", text, 32, 1000);  // every window is asked for: one in 32 is taken away
  EXPECT_EQ(all.held.lengths.size(), 4u);
  EXPECT_EQ(all.lengths.size() + 4, tokenizer_.encode(text).size() / 32);
  const Calibration few = load("b.txt", text.substr(0, 400), 8, 1000);  // fewer than 128 tokens in four windows
  EXPECT_EQ(few.held.lengths, std::vector<int64_t>(4, 128));
  EXPECT_NE(few.notes.back().find("built-in text"), std::string::npos);
  EXPECT_EQ(few.lengths.size(), tokenizer_.encode(text.substr(0, 400)).size() / 8) << "all of it calibrates";
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
  const Calibration a = load_calibration(options, &tokenizer_, 2048),
                    again = load_calibration(options, &tokenizer_, 2048);
  options.seed = 1;
  const Calibration b = load_calibration(options, &tokenizer_, 2048);
  EXPECT_EQ(a.tokens, again.tokens);
  EXPECT_NE(a.tokens, b.tokens);
  EXPECT_EQ(a.name, "built-in");
  std::set<std::vector<TokenId>> windows;
  for (size_t i = 0; i < a.lengths.size(); ++i)
    windows.insert({a.tokens.begin() + static_cast<std::ptrdiff_t>(i * 64),
                    a.tokens.begin() + static_cast<std::ptrdiff_t>(i * 64 + 64)});
  EXPECT_EQ(windows.size(), 100u);
}

TEST_F(CalibrationTest, SeqlenIsShortenedToTheContext) {
  QuantizeOptions options = testing::quick_options("unused");
  options.calibration.clear();
  options.seqlen = 4096;
  const Calibration c = load_calibration(options, &tokenizer_, 2048);
  EXPECT_EQ(c.seqlen, 2048);
  EXPECT_NE(c.notes.at(0).find("2048"), std::string::npos);
}

// The AutoGPTQ guide calibrates with this one sentence.
TEST_F(CalibrationTest, ATextShorterThanAWindowIsOneShorterWindow) {
  const std::string sentence =
      "auto-gptq is an easy-to-use model quantization library with user-friendly apis, based on GPTQ algorithm.";
  const Calibration c = load("guide.txt", sentence, 2048);
  EXPECT_EQ(c.tokens, tokenizer_.encode(sentence));
  EXPECT_EQ(c.lengths.size(), 1u);
  EXPECT_EQ(c.held.lengths, std::vector<int64_t>(4, 2048)) << "of the built-in text";
  EXPECT_EQ(c.seqlen, static_cast<int64_t>(c.tokens.size()));
  ASSERT_EQ(c.notes.size(), 2u);
  EXPECT_NE(c.notes[0].find("one window of that length"), std::string::npos);
}

TEST_F(CalibrationTest, RowsOfTokensAreWindowsOfAnyLengthOfTheirOwn) {
  QuantizeOptions options = testing::quick_options("unused");
  options.calibration.clear();
  options.seqlen = 8;
  options.samples = 1000;
  const auto row = [](int first, int count) {
    CorpusRow r{CorpusRow::Kind::kTokens, "", {}};
    for (int i = 0; i < count; ++i) r.tokens.push_back(first + i);
    return r;
  };
  options.calibration_rows = {row(100, 3), row(200, 20), row(300, 45)};
  const Calibration c = load_calibration(options, &tokenizer_, 40);  // a context of 40: the last row is cut there
  EXPECT_EQ(c.lengths, (std::vector<int64_t>{40, 20, 5, 3}));
  EXPECT_EQ(c.seqlen, 40);
  EXPECT_EQ(c.tokens[0], 300);
  EXPECT_EQ(c.tokens[40], 200);
  EXPECT_EQ(c.tokens[60], 340);
  EXPECT_EQ(c.tokens[65], 100);
  EXPECT_EQ(c.name, "3 texts");
  const Calibration without_tokenizer = load_calibration(options, nullptr, 40);
  EXPECT_EQ(without_tokenizer.tokens, c.tokens);
  EXPECT_TRUE(without_tokenizer.held.lengths.empty());
  options.calibration_rows = {row(4090, 10)};
  testing::expect_error(ErrorKind::kUsage, {"row 1", "4096"}, [&] { load_calibration(options, &tokenizer_, 40); });
}

// Whoever gives rows gets what the same rows in a file would give.
TEST_F(CalibrationTest, RowsEqualThoseOfAFile) {
  const std::string conversation =
      "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}, {\"role\": \"assistant\", \"content\": \"Hello.\"}]}";
  const Calibration file =
      load("a.jsonl", "{\"text\": \"" + kText + "\"}\n" + conversation +
                          "\n{\"input_ids\": [5, 6, 7, 8, 9, 10, 11, 12, 13, 14]}\n{\"text\": \"\"}\n");
  QuantizeOptions options = testing::quick_options("unused");
  options.calibration.clear();
  options.seqlen = 8;
  options.samples = 1000;
  options.calibration_rows = {{CorpusRow::Kind::kText, kText, {}},
                              {CorpusRow::Kind::kJson, conversation, {}},
                              {CorpusRow::Kind::kTokens, "", {5, 6, 7, 8, 9, 10, 11, 12, 13, 14}},
                              {CorpusRow::Kind::kText, "", {}}};
  const Calibration rows = load_calibration(options, &tokenizer_, 2048);
  EXPECT_EQ(rows.tokens, file.tokens);
  EXPECT_EQ(rows.lengths, file.lengths);
  EXPECT_EQ(rows.sha256, file.sha256);
  EXPECT_EQ(rows.lengths.front(), 10) << "the row of tokens as a whole";
  options.calibration_rows = {{CorpusRow::Kind::kJson, "{\"words\": 1}", {}}};
  testing::expect_error(ErrorKind::kUsage, {"row 1", "words"}, [&] { load_calibration(options, &tokenizer_, 64); });
}

TEST_F(CalibrationTest, SeveralFilesAreOneTextAndAllOfThemCount) {
  write_file_atomic(folder_ / "b.jsonl", "{\"text\": \"She went home.\"}\n");
  write_file_atomic(folder_ / "a.txt", kText);
  QuantizeOptions options = testing::quick_options("unused");
  options.calibration = {folder_ / "a.txt", folder_ / "b.jsonl"};
  options.seqlen = 1;
  options.samples = 1000;
  const Calibration both = load_calibration(options, &tokenizer_, 2048);
  std::vector<TokenId> all = tokenizer_.encode(kText);
  const std::vector<TokenId> second = tokenizer_.encode("She went home.");
  all.insert(all.end(), second.begin(), second.end());
  EXPECT_EQ(both.tokens, all);
  EXPECT_EQ(both.name, "a.txt, b.jsonl");
  options.calibration.pop_back();
  EXPECT_NE(load_calibration(options, &tokenizer_, 2048).sha256, both.sha256);
}

}  // namespace
}  // namespace gptq::quantization
