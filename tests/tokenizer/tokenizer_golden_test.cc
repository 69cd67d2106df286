// The tokenizer against what the Python tools give (tests/golden/tokenizer, formats): ids, tokens, text, streaming.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <gptq/tokenizer.h>

#include "core/file.h"
#include "core/json.h"
#include "unicode/characters.h"

namespace gptq::tokenizer {
namespace {

const fs::path kGolden = fs::path(GPTQ_SOURCE_DIR) / "tests/golden";

using Offsets = std::vector<std::pair<size_t, size_t>>;

std::vector<fs::path> golden_folders() {
  std::vector<fs::path> folders;
  for (const char* kind : {"tokenizer", "formats"}) {
    for (const auto& entry : fs::directory_iterator(kGolden / kind)) {
      if (fs::exists(entry.path() / "vectors.json")) folders.push_back(entry.path());
    }
  }
  return folders;
}

TEST(TokenizerGolden, EncodesAndDecodesLikeTheReference) {
  EXPECT_GE(golden_folders().size(), 20u);
  for (const fs::path& folder : golden_folders()) {
    const Tokenizer tokenizer = Tokenizer::open(folder.string());
    const Json vectors = parse_json(read_file(folder / "vectors.json"), folder.string());
    for (const Json& vector : vectors) {
      const auto text = vector.at("text").get<std::string>();
      const auto ids = vector.at("ids").get<std::vector<TokenId>>();
      EXPECT_EQ(tokenizer.encode(text, vector.at("add_special_tokens").get<bool>()), ids) << folder << ": " << text;
      const Encoding encoding = tokenizer.encode_with_offsets(text, vector.at("add_special_tokens").get<bool>());
      EXPECT_EQ(encoding.ids, ids) << folder << ": " << text;
      EXPECT_EQ(encoding.offsets, vector.at("offsets").get<Offsets>()) << folder << ": " << text;
      EXPECT_EQ(tokenizer.decode(ids, false), vector.at("decoded").get<std::string>()) << folder << ": " << text;
      EXPECT_EQ(tokenizer.decode(ids, true), vector.at("decoded_skip").get<std::string>()) << folder << ": " << text;
    }
  }
}

TEST(TokenizerGolden, StreamsLikeItDecodes) {
  for (const fs::path& folder : golden_folders()) {
    const Tokenizer tokenizer = Tokenizer::open(folder.string());
    const Json vectors = parse_json(read_file(folder / "stream.json"), folder.string());
    for (const Json& vector : vectors) {
      const auto ids = vector.at("ids").get<std::vector<TokenId>>();
      for (const bool skip : {true, false}) {
        StreamingDecoder decoder(tokenizer, skip);
        std::string text;
        for (const TokenId id : ids) {
          const std::string piece = decoder.push(id);
          EXPECT_TRUE(is_valid_utf8(piece)) << folder;
          text += piece;
        }
        text += decoder.finish();
        EXPECT_EQ(text, vector.at(skip ? "decoded_skip" : "decoded").get<std::string>()) << folder;
      }
    }
  }
}

// Texts and ids of Mistral v0.3, whose files are not here: GPTQ_MISTRAL_V03 names a folder that has them.
TEST(TokenizerGolden, MistralV03) {
  const char* folder = std::getenv("GPTQ_MISTRAL_V03");
  if (folder == nullptr) GTEST_SKIP() << "set GPTQ_MISTRAL_V03 to the folder of Mistral-7B-Instruct-v0.3 to run this";
  const Tokenizer tokenizer = Tokenizer::open(folder);
  const std::pair<std::string, std::vector<TokenId>> vectors[] = {
      {"Hello, world!", {23325, 29493, 2294, 29576}},
      {" leading space", {6142, 3532}},
      {"two  spaces", {1757, 29473, 11367}},
      {"line1\nline2\ttab", {2175, 29508, 781, 1849, 29518, 780, 5020}},
      {"naïve café ☕ 😀 é", {2647, 29688, 1101, 29113, 29473, 997, 923, 920, 29473, 31343, 2001}},
      {"", {}},
      {" ", {29473}},
      {"▁", {29473}},
      {"auto-gptq is an easy-to-use model quantization library with user-friendly apis, based on GPTQ algorithm.",
       {4795, 29501, 29489, 1215,  29543, 1117, 1164, 4179,  29501, 1300, 29501, 2498, 2997,  5432,  2605,
        8375, 1163,  2956,  29501, 18877, 1747, 1046, 29493, 3586,  1124, 1188,  7084, 29592, 10232, 29491}},
      {"<s>[INST] What is GPTQ?[/INST]", {1, 3, 2592, 1117, 1188, 7084, 29592, 29572, 4}},
      {"<s>[INST] Hi[/INST] Hello.</s>[INST] Bye[/INST]", {1, 3, 16127, 4, 23325, 29491, 2, 3, 3231, 29474, 4}},
  };
  for (const auto& [text, ids] : vectors) EXPECT_EQ(tokenizer.encode(text, false), ids) << text;
  EXPECT_EQ(tokenizer.encode("Hello, world!"), (std::vector<TokenId>{1, 23325, 29493, 2294, 29576}));
  EXPECT_EQ(tokenizer.vocab_size(), 32768);
}

}  // namespace
}  // namespace gptq::tokenizer
