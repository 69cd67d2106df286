// For tests/interop: check_stream FOLDER IDS.jsonl, streaming must add up to decoding at once, for
// every {"ids": [...]}.
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include <gptq/gptq.h>

#include "unicode/characters.h"

namespace {

// "" when all is well.
std::string problem(const gptq::Tokenizer& tokenizer, const std::vector<gptq::TokenId>& ids, bool skip) {
  gptq::StreamingDecoder decoder(tokenizer, skip);
  std::string text;
  for (const gptq::TokenId id : ids) {
    const std::string piece = decoder.push(id);
    if (!gptq::is_valid_utf8(piece)) return "a character is cut";
    text += piece;
  }
  text += decoder.finish();
  const std::string whole = tokenizer.decode(ids, skip);
  return text == whole ? "" : "streamed \"" + text + "\", at once \"" + whole + "\"";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    const gptq::Tokenizer tokenizer = gptq::Tokenizer::open(argv[1]);
    std::ifstream rows(argv[2]);
    size_t count = 0;
    for (std::string line; std::getline(rows, line); ++count) {
      const auto ids = nlohmann::json::parse(line).at("ids").get<std::vector<gptq::TokenId>>();
      for (const bool skip : {false, true}) {
        const std::string found = problem(tokenizer, ids, skip);
        if (!found.empty()) {
          std::fprintf(stderr, "row %zu: %s\n", count + 1, found.c_str());
          return 1;
        }
      }
    }
    std::printf("%zu compared\n", count);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
