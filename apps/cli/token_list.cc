// Token ids with their spellings, for people and as JSON.
#include "token_list.h"

#include <fmt/format.h>

namespace gptq::cli {

namespace {

// Line breaks and tabs would break the columns.
std::string on_one_line(const std::string& token) {
  std::string text;
  for (const char c : token) {
    switch (c) {
      case '\n': text += "\\n"; break;
      case '\r': text += "\\r"; break;
      case '\t': text += "\\t"; break;
      default: text += c;
    }
  }
  return text;
}

}  // namespace

void append_token(std::string& text, const Tokenizer& tokenizer, TokenId id) {
  text += fmt::format_int(id).c_str();
  text += '\t';
  text += on_one_line(tokenizer.token(id));
}

std::string tokens_text(const Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
  std::string text;
  for (const TokenId id : ids) {
    append_token(text, tokenizer, id);
    text += '\n';
  }
  return text;
}

Json tokens_json(const Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
  Json tokens = Json::array();
  for (const TokenId id : ids) tokens.push_back(tokenizer.token(id));
  return {{"ids", ids}, {"tokens", std::move(tokens)}};
}

}  // namespace gptq::cli
