// A tiktoken file: one line per token, with its bytes in base64 and its rank.
#include <charconv>
#include <map>

#include <gptq/error.h>

#include "core/file.h"
#include "tokenizer/components/base64.h"
#include "tokenizer/components/byte_level.h"
#include "tokenizer/formats/byte_pairs.h"
#include "tokenizer/formats/lines.h"
#include "tokenizer/formats/patterns.h"
#include "tokenizer/formats/tokenizer_source.h"

namespace gptq::tokenizer {

namespace {

constexpr int64_t kMaxRank = 10'000'000;

// false when the line is not "base64 rank".
bool parse_line(std::string_view line, RankedToken& token) {
  const size_t space = line.find(' ');
  if (space == std::string_view::npos) return false;
  const auto bytes = decode_base64(line.substr(0, space));
  const std::string_view digits = line.substr(space + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), token.rank);
  if (!bytes || bytes->empty() || error != std::errc() || end != digits.data() + digits.size()) return false;
  token.bytes = *bytes;
  return token.rank >= 0 && token.rank <= kMaxRank;
}

// The word pattern known for this file name; else Llama-3's, which transformers uses for all.
const char* known_pattern(const std::string& what) {
  static const std::map<std::string, const char*> kPatterns = {
      {"cl100k_base.tiktoken", kLlama3Pattern}, {"gpt2.tiktoken", kGpt2Pattern},
      {"o200k_base.tiktoken", kO200kPattern},   {"p50k_base.tiktoken", kGpt2Pattern},
      {"r50k_base.tiktoken", kGpt2Pattern},     {"qwen.tiktoken", kQwenPattern},
  };
  const auto found = kPatterns.find(fs::path(what).filename().string());
  return found == kPatterns.end() ? kLlama3Pattern : found->second;
}

}  // namespace

bool is_tiktoken(std::string_view text) {
  size_t position = 0;
  RankedToken token;
  return parse_line(next_line(text, position), token);
}

TokenizerSource read_tiktoken(std::string_view text, const std::string& what, TokenizerConfig& config) {
  std::vector<RankedToken> tokens;
  size_t number = 0;
  for (size_t position = 0; position < text.size();) {
    const std::string_view line = next_line(text, position);
    ++number;
    if (line.empty()) continue;
    if (!parse_line(line, tokens.emplace_back())) {
      throw Error(ErrorKind::kVerification, "reading " + what + ", line " + std::to_string(number) +
                                                ": expected a token in base64, one space and its rank");
    }
  }
  TokenizerSource source{what, byte_pair_document(config.pattern.empty() ? known_pattern(what) : config.pattern), {}};
  add_byte_pairs(tokens, 0, what, source.tables);
  return source;
}

}  // namespace gptq::tokenizer
