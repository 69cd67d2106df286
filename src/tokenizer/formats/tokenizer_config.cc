// Reads the token fields of tokenizer_config.json and related files, in their forms over time.
#include "tokenizer/formats/tokenizer_config.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <gptq/error.h>

#include "core/json.h"
#include "core/python_json.h"

namespace gptq::tokenizer {

namespace {

constexpr std::array kNames = {"bos_token", "eos_token", "unk_token", "sep_token",
                               "pad_token", "cls_token", "mask_token"};
constexpr std::array kLists = {"additional_special_tokens", "extra_special_tokens"};

// A control token is a string or an object with flags.
AddedToken parse_control_token(const Json& json, const std::string& what) {
  if (json.is_string()) return control_token(json.get<std::string>());
  AddedToken token = parse_added_token(json, what);
  token.special = true;
  token.normalized = JsonReader(json, what).boolean("normalized", false);
  return token;
}

void read_added_tokens(const JsonReader& reader, TokenizerConfig& config) {
  const Json* decoder = reader.find("added_tokens_decoder");
  if (decoder == nullptr) return;
  if (!decoder->is_object()) reader.fail("added_tokens_decoder", "an object");
  for (const auto& [key, value] : decoder->items()) {
    int64_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size()) reader.fail("added_tokens_decoder", "ids as keys");
    config.added_tokens[id] = parse_added_token(value, reader.what() + ".added_tokens_decoder[" + key + "]");
  }
}

void read_control_tokens(const JsonReader& reader, TokenizerConfig& config) {
  const auto add = [&](const Json& token, const char* key) {
    config.control_tokens.push_back(parse_control_token(token, reader.what() + "." + key));
    return config.control_tokens.back().content;
  };
  for (const char* name : kNames) {
    const Json* token = reader.find(name);
    if (token != nullptr && !token->is_boolean()) config.named_tokens[name] = add(*token, name);
  }
  for (const char* list : kLists) {
    const Json* tokens = reader.find(list);
    if (tokens == nullptr) continue;
    if (!tokens->is_array() && !tokens->is_object()) reader.fail(list, "a list or an object of tokens");
    for (const auto& [name, token] : tokens->items()) {
      const std::string content = add(token, list);
      if (tokens->is_object()) config.named_tokens[name] = content;
    }
  }
  // Names that only some models define, such as "image_token".
  for (const auto& [name, token] : reader.json().items()) {
    if (!name.ends_with("_token") || !token.is_string() || config.named_tokens.count(name) > 0) continue;
    config.named_tokens[name] = add(token, name.c_str());
  }
}

std::optional<bool> optional_boolean(const JsonReader& reader, const char* key) {
  if (!reader.has(key)) return std::nullopt;
  return reader.boolean(key, false);
}

std::string class_without_fast(std::string name) {
  if (name.ends_with("Fast")) name.resize(name.size() - 4);
  return name;
}

Json read_if_there(const fs::path& path) {
  if (!fs::exists(path)) return Json::object();
  Json json = parse_python_json(read_small_file(path), path.string());
  JsonReader(json, path.string());  // an object
  return json;
}

// special_tokens_map.json takes precedence over tokenizer_config.json; its lists are appended.
void merge_special_tokens_map(Json& config, const Json& map) {
  for (const auto& [key, value] : map.items()) {
    const bool list = std::find(kLists.begin(), kLists.end(), key) != kLists.end();
    if (!list || !value.is_array() || !config.contains(key) || !config[key].is_array()) {
      config[key] = value;
      continue;
    }
    for (const Json& token : value) {
      if (std::find(config[key].begin(), config[key].end(), token) == config[key].end()) config[key].push_back(token);
    }
  }
}

// added_tokens.json, {"token": id, ...}: tokens not listed as special elsewhere are matched after normalization.
void add_legacy_tokens(const Json& json, const std::string& what, TokenizerConfig& config) {
  std::map<int64_t, AddedToken> by_id;
  for (const auto& [content, id] : json.items()) {
    if (!id.is_number_integer()) JsonReader(json, what).fail(content.c_str(), "a token id");
    AddedToken token = control_token(content);
    const auto named = [&token](const AddedToken& control) { return control.content == token.content; };
    token.special = std::any_of(config.control_tokens.begin(), config.control_tokens.end(), named);
    token.normalized = !token.special;
    by_id[id.get<int64_t>()] = token;
  }
  std::vector<AddedToken> tokens;
  for (auto& [id, token] : by_id) tokens.push_back(std::move(token));
  config.control_tokens.insert(config.control_tokens.begin(), tokens.begin(), tokens.end());
}

}  // namespace

std::string TokenizerConfig::named(const std::string& name) const {
  const auto found = named_tokens.find(name);
  return found == named_tokens.end() ? "" : found->second;
}

void TokenizerConfig::name_token(const std::string& name, const std::string& content) {
  if (content.empty() || !named(name).empty()) return;
  named_tokens[name] = content;
  control_tokens.push_back(control_token(content));
}

TokenizerConfig read_tokenizer_config(const Json& json, const std::string& what) {
  const JsonReader reader(json, what);
  TokenizerConfig config;
  read_added_tokens(reader, config);
  read_control_tokens(reader, config);
  config.add_bos_token = optional_boolean(reader, "add_bos_token");
  config.add_eos_token = optional_boolean(reader, "add_eos_token");
  config.tokenizer_class = class_without_fast(reader.string("tokenizer_class", ""));
  config.legacy = optional_boolean(reader, "legacy");
  config.add_prefix_space = optional_boolean(reader, "add_prefix_space");
  config.fix_mistral_regex = optional_boolean(reader, "fix_mistral_regex");
  config.pattern = reader.string("pattern", reader.string("pat_str", ""));
  config.extra_ids = reader.integer("extra_ids", config.extra_ids);
  config.lowercase = reader.boolean("do_lower_case", config.lowercase);
  config.split_chinese = reader.boolean("tokenize_chinese_chars", config.split_chinese);
  config.strip_accents = optional_boolean(reader, "strip_accents");
  return config;
}

TokenizerConfig read_tokenizer_config(const fs::path& folder) {
  const fs::path path = folder / "tokenizer_config.json";
  Json json = read_if_there(path);
  const bool legacy = !JsonReader(json, path.string()).has("added_tokens_decoder");
  if (legacy) merge_special_tokens_map(json, read_if_there(folder / "special_tokens_map.json"));
  TokenizerConfig config = read_tokenizer_config(json, path.string());
  const fs::path added = folder / "added_tokens.json";
  if (legacy) add_legacy_tokens(read_if_there(added), added.string(), config);

  const fs::path model_path = folder / "config.json";
  const Json model_json = read_if_there(model_path);
  const JsonReader model(model_json, model_path.string());
  config.model_type = model.string("model_type", "");
  config.transformers_version = model.string("transformers_version", "");
  if (config.tokenizer_class.empty()) config.tokenizer_class = class_without_fast(model.string("tokenizer_class", ""));
  return config;
}

}  // namespace gptq::tokenizer
