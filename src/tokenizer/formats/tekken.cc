// tekken.json, Mistral's format: base64 tokens with ranks, after a block of control tokens.
#include <unordered_set>

#include <gptq/error.h>

#include "core/json.h"
#include "tokenizer/components/base64.h"
#include "tokenizer/formats/byte_pairs.h"
#include "tokenizer/formats/tokenizer_source.h"

namespace gptq::tokenizer {

namespace {

constexpr int64_t kMaxTokens = 10'000'000;
constexpr int64_t kMaxSpecials = 100'000;

// Files before version 8 do not list their control tokens (mistral-common, DEPRECATED_SPECIAL_TOKENS).
constexpr const char* kOldSpecials[] = {
    "<unk>",
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
    "[TOOL_CALLS]",
    "[IMG]",
    "<pad>",
    "[IMG_BREAK]",
    "[IMG_END]",
    "[PREFIX]",
    "[MIDDLE]",
    "[SUFFIX]",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "[TOOL_CONTENT]",
};

Json special_token(int64_t id, const std::string& content, bool control) {
  return {{"id", id}, {"content", content}, {"special", control}, {"normalized", !control}};
}

// In the order of their ids, padded to `count` with unused tokens.
Json special_tokens(const JsonReader& file, int64_t count) {
  std::vector<Json> slots(static_cast<size_t>(count));
  const auto put = [&](int64_t id, const std::string& content, bool control) {
    if (id < 0 || id >= count) file.fail("special_tokens", "ranks below default_num_special_tokens");
    slots[static_cast<size_t>(id)] = special_token(id, content, control);
  };
  if (const Json* listed = file.find("special_tokens")) {
    if (!listed->is_array()) file.fail("special_tokens", "a list");
    for (const Json& entry : *listed) {
      const JsonReader token(entry, file.what() + ".special_tokens");
      put(token.integer("rank"), token.string("token_str"), token.boolean("is_control", true));
    }
  } else {
    int64_t id = 0;
    for (const char* name : kOldSpecials) {
      if (id < count) put(id, name, true);
      ++id;
    }
  }
  Json list = Json::array();
  for (int64_t id = 0; id < count; ++id) {
    Json& slot = slots[static_cast<size_t>(id)];
    if (slot.is_null()) slot = special_token(id, "<SPECIAL_" + std::to_string(id) + ">", true);
    list.push_back(std::move(slot));
  }
  return list;
}

std::vector<RankedToken> read_vocab(const JsonReader& file, int64_t count) {
  const Json& vocab = file.at("vocab");
  if (!vocab.is_array()) file.fail("vocab", "a list");
  std::vector<RankedToken> tokens;
  for (const Json& entry : vocab) {
    const JsonReader token(entry, file.what() + ".vocab[" + std::to_string(tokens.size()) + "]");
    const auto bytes = decode_base64(token.string("token_bytes"));
    if (!bytes || bytes->empty()) token.fail("token_bytes", "bytes in base64");
    const int64_t rank = token.integer("rank");
    if (rank < 0 || rank >= kMaxTokens) token.fail("rank", "a rank from 0");
    if (rank < count) tokens.push_back({*bytes, rank});
  }
  return tokens;
}

}  // namespace

TokenizerSource read_tekken(std::string_view text, const std::string& what, TokenizerConfig& config) {
  const Json json = parse_json(text, what);
  const JsonReader file(json, what);
  const JsonReader settings(file.at("config"), what + ".config");
  const int64_t specials = settings.integer("default_num_special_tokens");
  const int64_t size = settings.integer("default_vocab_size");
  if (specials < 0 || specials > kMaxSpecials) settings.fail("default_num_special_tokens", "0 to 100000");
  if (size < specials || size > kMaxTokens) settings.fail("default_vocab_size", "at least the control tokens");

  TokenizerSource source{what, byte_pair_document(settings.string("pattern")), {}};
  Json& added = (*source.json)["added_tokens"] = special_tokens(file, specials);
  std::unordered_set<std::string> names;
  for (const Json& token : added) {
    names.insert(token["content"].get<std::string>());
    source.tables.vocab.add(token["content"].get<std::string>(), token["id"].get<int64_t>());
  }
  std::vector<RankedToken> tokens = read_vocab(file, size - specials);
  std::erase_if(tokens, [&](const RankedToken& token) { return names.count(spelled(token.bytes)) > 0; });
  add_byte_pairs(tokens, specials, what, source.tables);
  for (const auto& [name, content] : {std::pair("bos_token", "<s>"), std::pair("eos_token", "</s>")}) {
    if (names.count(content) > 0) config.name_token(name, content);
  }
  config.add_bos_token = config.add_bos_token.value_or(true);
  return source;
}

}  // namespace gptq::tokenizer
