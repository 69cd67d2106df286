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

std::string tokens_text(const Tokenizer& tokenizer, const Encoding& encoding) {
  std::string text;
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    text += fmt::format("{}\t{}", encoding.ids[i], on_one_line(tokenizer.token(encoding.ids[i])));
    if (!encoding.offsets.empty()) {
      text += fmt::format("\t{}-{}", encoding.offsets[i].first, encoding.offsets[i].second);
    }
    text += "\n";
  }
  return text;
}

Json tokens_json(const Tokenizer& tokenizer, const Encoding& encoding) {
  Json tokens = Json::array();
  for (const TokenId id : encoding.ids) tokens.push_back(tokenizer.token(id));
  Json json = {{"ids", encoding.ids}, {"tokens", std::move(tokens)}};
  if (encoding.offsets.size() == encoding.ids.size()) json["offsets"] = encoding.offsets;
  return json;
}

}  // namespace gptq::cli
