// Converts ranks to a vocabulary and merges.
#include "tokenizer/formats/byte_pairs.h"

#include <algorithm>
#include <tuple>

#include "core/json.h"
#include "tokenizer/components/byte_level.h"
#include "tokenizer/formats/graph.h"
#include "tokenizer/formats/splits.h"

namespace gptq::tokenizer {

std::string spelled(std::string_view bytes) {
  std::string token;
  for (const char byte : bytes) token += byte_alphabet(static_cast<unsigned char>(byte));
  return token;
}

void add_byte_pairs(const std::vector<RankedToken>& tokens, int64_t offset, const std::string& what,
                    ModelTables& tables) {
  std::vector<std::string> bytes;
  bytes.reserve(tokens.size());
  for (const RankedToken& token : tokens) bytes.push_back(token.bytes);
  std::vector<Split> splits = all_splits(bytes, false, what);
  const auto order = [&](const Split& split) {
    return std::tuple(tokens[split.token].rank, tokens[split.left].rank, tokens[split.right].rank);
  };
  std::stable_sort(splits.begin(), splits.end(), [&](const Split& a, const Split& b) { return order(a) < order(b); });

  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = spelled(bytes[i]);
    tables.vocab.add(bytes[i], tokens[i].rank + offset);
  }
  for (const Split& split : splits) tables.merges.add(bytes[split.left], bytes[split.right]);
}

Json byte_pair_document(const std::string& pattern) {
  Json json = graph::document(graph::bpe("", false, true));
  json["pre_tokenizer"] =
      graph::sequence("pretokenizers", Json::array({graph::split(pattern), graph::byte_level(false, false)}));
  json["decoder"] = graph::byte_level(false, true);
  return json;
}

}  // namespace gptq::tokenizer
