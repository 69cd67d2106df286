// The tokenizer against what the Python tools give (tests/golden/tokenizer, carrier): ids, tokens, text, streaming.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include <gptq/tokenizer.h>

#include "core/file.h"
#include "core/json.h"
#include "text/unicode.h"

namespace gptq {
namespace {

const fs::path kGolden = fs::path(GPTQ_SOURCE_DIR) / "tests/golden";

std::vector<fs::path> golden_folders() {
  std::vector<fs::path> folders;
  for (const char* kind : {"tokenizer", "carrier"}) {
    for (const auto& entry : fs::directory_iterator(kGolden / kind)) {
      if (fs::exists(entry.path() / "vectors.json")) folders.push_back(entry.path());
    }
  }
  return folders;
}

TEST(TokenizerGolden, EncodesAndDecodesLikeTheReference) {
  EXPECT_GE(golden_folders().size(), 18u);
  for (const fs::path& folder : golden_folders()) {
    const Tokenizer tokenizer = Tokenizer::open(folder.string());
    const Json vectors = parse_json(read_file(folder / "vectors.json"), folder.string());
    for (const Json& vector : vectors) {
      const auto text = vector.at("text").get<std::string>();
      const auto ids = vector.at("ids").get<std::vector<TokenId>>();
      EXPECT_EQ(tokenizer.encode(text, vector.at("add_special_tokens").get<bool>()), ids) << folder << ": " << text;
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

}  // namespace
}  // namespace gptq
