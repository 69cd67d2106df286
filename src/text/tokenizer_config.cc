// Reading the token fields of tokenizer_config.json, in the several forms that they have had over time.
#include "text/tokenizer_config.h"

#include <charconv>

#include <gptq/error.h>

namespace gptq {

namespace {

// A control token is a string or an object with flags.
AddedToken control_token(const Json& json, const std::string& what) {
  if (json.is_string()) return AddedToken::control(json.get<std::string>());
  AddedToken token = AddedToken::from_json(json, what);
  token.special = true;
  return token;
}

void read_added_tokens(const JsonReader& reader, TokenizerConfig& config) {
  const Json* decoder = reader.find("added_tokens_decoder");
  if (decoder == nullptr) return;
  if (!decoder->is_object()) reader.fail("added_tokens_decoder", "an object");
  std::map<int64_t, AddedToken> by_id;
  for (const auto& [key, value] : decoder->items()) {
    int64_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size()) reader.fail("added_tokens_decoder", "ids as keys");
    by_id[id] = AddedToken::from_json(value, reader.what() + ".added_tokens_decoder[" + key + "]");
  }
  for (auto& [id, token] : by_id) config.added_tokens.push_back(std::move(token));
}

}  // namespace

std::string TokenizerConfig::named(const std::string& name) const {
  const auto found = named_tokens.find(name);
  return found == named_tokens.end() ? "" : found->second;
}

TokenizerConfig read_tokenizer_config(const Json& json, const std::string& what) {
  const JsonReader reader(json, what);
  TokenizerConfig config;
  read_added_tokens(reader, config);
  for (const char* name :
       {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}) {
    const Json* token = reader.find(name);
    if (token == nullptr || token->is_boolean()) continue;
    config.control_tokens.push_back(control_token(*token, what + "." + name));
    config.named_tokens[name] = config.control_tokens.back().content;
  }
  for (const char* list : {"additional_special_tokens", "extra_special_tokens"}) {
    const Json* tokens = reader.find(list);
    if (tokens == nullptr) continue;
    if (!tokens->is_array() && !tokens->is_object()) reader.fail(list, "a list or an object of tokens");
    for (const auto& [name, token] : tokens->items()) {
      config.control_tokens.push_back(control_token(token, what + "." + list));
      if (tokens->is_object()) config.named_tokens[name] = config.control_tokens.back().content;
    }
  }
  if (reader.has("add_bos_token")) config.add_bos_token = reader.boolean("add_bos_token", false);
  if (reader.has("add_eos_token")) config.add_eos_token = reader.boolean("add_eos_token", false);
  return config;
}

}  // namespace gptq
