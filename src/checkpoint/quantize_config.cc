// The dialects of the quantization configuration, read into one struct and written as one superset.
#include "checkpoint/quantize_config.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include <gptq/error.h>

#include "core/json.h"
#include "core/regex.h"

namespace gptq::checkpoint {

namespace {

// The known keys of all writers, relevant to readers of the weights or not; others are reported as unknown.
const std::set<std::string> kKnownKeys = {"bits",
                                          "w_bit",
                                          "group_size",
                                          "q_group_size",
                                          "sym",
                                          "desc_act",
                                          "static_groups",
                                          "true_sequential",
                                          "lm_head",
                                          "damp_percent",
                                          "damp_auto_increment",
                                          "quant_method",
                                          "method",
                                          "checkpoint_format",
                                          "format",
                                          "pack_dtype",
                                          "is_marlin_format",
                                          "dynamic",
                                          "modules_in_block_to_quantize",
                                          "meta",
                                          "model_name_or_path",
                                          "model_file_base_name",
                                          "version",
                                          "act_group_aware",
                                          "hyb_act",
                                          "mse",
                                          "rotation",
                                          "dataset",
                                          "tokenizer",
                                          "backend",
                                          "model_seqlen",
                                          "block_name_to_quantize",
                                          "module_name_preceding_first_block",
                                          "batch_size",
                                          "pad_token_id",
                                          "max_input_length",
                                          "cache_block_outputs",
                                          "use_cuda_fp16",
                                          "use_exllama",
                                          "exllama_config",
                                          "disable_exllama",
                                          "inside_layer_modules",
                                          "parallel_packing"};

constexpr char kAdvice[] =
    "; use the original 16-bit model, or a checkpoint in the GPTQ format (checkpoint_format \"gptq\" or \"gptq_v2\")";

[[noreturn]] void refuse(const std::string& what, const std::string& found) {
  throw Error(ErrorKind::kVerification, "reading " + what + ": " + found + kAdvice);
}

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : static_cast<char>(c);
  });
  return text;
}

// The value under either of two names; two different values are an error.
std::string either(const JsonReader& json, const char* name, const char* synonym, const std::string& fallback) {
  if (json.has(name) && json.has(synonym) && lower_case(json.string(name)) != lower_case(json.string(synonym))) {
    json.fail(synonym, "the same as \"" + std::string(name) + "\" (\"" + json.string(name) + "\")");
  }
  return lower_case(json.has(name) ? json.string(name) : json.string(synonym, fallback));
}

int read_bits(const JsonReader& json, const char* key) {
  const int64_t bits = json.integer(key);
  if (bits != 2 && bits != 3 && bits != 4 && bits != 8) json.fail(key, "2, 3, 4 or 8");
  return static_cast<int>(bits);
}

int read_group_size(const JsonReader& json, const char* key) {
  const int64_t size = json.integer(key);
  if (size != -1 && (size < 1 || size > 1 << 24)) json.fail(key, "-1 or a number of columns");
  return static_cast<int>(size);
}

const char* first_present(const JsonReader& json, const char* name, const char* synonym) {
  return !json.has(name) && json.has(synonym) ? synonym : name;
}

std::optional<bool> optional_boolean(const JsonReader& json, const char* key) {
  if (!json.has(key)) return std::nullopt;
  return json.boolean(key, false);
}

CheckpointFormat read_format(const JsonReader& json, const std::string& what) {
  const std::string method = either(json, "quant_method", "method", "gptq");
  if (method != "gptq") refuse(what, "the quantization method is \"" + method + "\", expected \"gptq\"");
  if (json.boolean("is_marlin_format", false)) refuse(what, "the weights are repacked for Marlin (is_marlin_format)");
  // AWQ's files name no method but have a kernel version.
  if (json.has("version") && json.json().at("version").is_string() && json.has("zero_point")) {
    refuse(what, "this is an AWQ configuration (version \"" + json.string("version") + "\")");
  }
  const std::string pack = lower_case(json.has("pack_dtype") ? json.string("pack_dtype") : "int32");
  if (pack != "int32" && pack != "torch.int32") refuse(what, "pack_dtype is \"" + pack + "\", expected \"int32\"");

  const std::string format = either(json, "checkpoint_format", "format", "gptq");
  if (format == "gptq") return CheckpointFormat::kGptq;
  if (format == "gptq_v2") return CheckpointFormat::kGptqV2;
  static const std::map<std::string, std::string> kOthers = {{"marlin", "repacked for the Marlin kernel"},
                                                             {"bitblas", "repacked for BitBLAS"},
                                                             {"gemm", "AWQ's interleaved layout"},
                                                             {"gemv", "AWQ's interleaved layout"},
                                                             {"gptq_p", "the planar layout"}};
  const auto known = kOthers.find(format);
  refuse(what,
         "the checkpoint format is \"" + format + "\"" + (known == kOthers.end() ? "" : " (" + known->second + ")"));
}

ModuleRule read_rule(const std::string& key, const OrderedJson& value, const std::string& what) {
  ModuleRule rule;
  const std::string prefix = key.substr(0, 2);
  rule.skip = prefix == "-:";
  rule.pattern = rule.skip || prefix == "+:" ? key.substr(2) : key;
  Regex(rule.pattern, "\"dynamic\" in " + what);  // throws if invalid
  if (rule.skip) return rule;
  const Json plain = value;
  const JsonReader json(plain, what + ", \"dynamic\", \"" + key + "\"");
  if (json.has("bits")) rule.bits = read_bits(json, "bits");
  if (json.has("group_size")) rule.group_size = read_group_size(json, "group_size");
  rule.sym = optional_boolean(json, "sym");
  rule.desc_act = optional_boolean(json, "desc_act");
  return rule;
}

std::vector<std::vector<std::string>> read_modules(const JsonReader& json) {
  constexpr char kKey[] = "modules_in_block_to_quantize";
  std::vector<std::vector<std::string>> groups;
  if (!json.has(kKey)) return groups;
  const auto strings = [&](const Json& list) {
    std::vector<std::string> names;
    for (const Json& name : list) {
      if (!name.is_string()) json.fail(kKey, "lists of module names");
      names.push_back(name.get<std::string>());
    }
    return names;
  };
  const Json& list = json.at(kKey);
  if (!list.is_array()) json.fail(kKey, "lists of module names");
  if (!list.empty() && list.front().is_string()) return {strings(list)};  // a flat list is one group
  for (const Json& group : list) {
    if (!group.is_array()) json.fail(kKey, "lists of module names");
    groups.push_back(strings(group));
  }
  return groups;
}

// There are many modules and few rules: each pattern is compiled once per thread.
bool matches(const std::string& pattern, const std::string& module) {
  constexpr size_t kMaxPatterns = 1024;
  thread_local std::map<std::string, Regex> compiled;
  auto found = compiled.find(pattern);
  if (found == compiled.end()) {
    if (compiled.size() >= kMaxPatterns) compiled.clear();
    found = compiled.emplace(pattern, Regex(pattern, "a \"dynamic\" rule")).first;
  }
  return found->second.matches_start(module);
}

}  // namespace

std::string to_string(CheckpointFormat format) { return format == CheckpointFormat::kGptq ? "gptq" : "gptq_v2"; }

std::string QuantizeConfig::quantizer() const {
  if (!meta->is_object() || !meta->contains("quantizer")) return "";
  const Json& value = (*meta)["quantizer"];
  if (value.is_string()) return value.get<std::string>();
  std::string text;
  if (!value.is_array()) return text;
  for (const Json& item : value) {
    if (item.is_string()) text += (text.empty() ? "" : ", ") + item.get<std::string>();
  }
  return text;
}

std::optional<QuantizerVersion> QuantizeConfig::gptqmodel_version() const {
  const std::string names = quantizer();
  const std::string name = "gptqmodel";
  const size_t found = names.find(name);
  if (found == std::string::npos || names.starts_with("gptq:")) return std::nullopt;
  QuantizerVersion version{};
  size_t position = found + name.size();
  for (int& number : version) {  // ":7.4.0"
    if (++position >= names.size()) break;
    position =
        static_cast<size_t>(std::from_chars(&names[position], names.data() + names.size(), number).ptr - names.data());
  }
  return version;
}

std::optional<ModuleSettings> QuantizeConfig::settings_for(const std::string& module) const {
  for (const ModuleRule& rule : dynamic) {
    if (!matches(rule.pattern, module)) continue;
    if (rule.skip) return std::nullopt;
    return ModuleSettings{rule.bits.value_or(bits), rule.group_size.value_or(group_size), rule.sym.value_or(sym),
                          rule.desc_act.value_or(desc_act)};
  }
  return ModuleSettings{bits, group_size, sym, desc_act};
}

QuantizeConfig parse_quantize_config(const OrderedJson& ordered, const std::string& what) {
  const Json plain = ordered;
  const JsonReader json(plain, what);
  QuantizeConfig config;
  config.format = read_format(json, what);
  config.bits = read_bits(json, first_present(json, "bits", "w_bit"));
  const char* group_key = first_present(json, "group_size", "q_group_size");
  config.group_size = json.has(group_key) ? read_group_size(json, group_key) : -1;  // AutoGPTQ's default
  config.sym = json.boolean("sym", config.sym);
  config.desc_act = json.boolean("desc_act", config.desc_act);
  config.lm_head = json.boolean("lm_head", config.lm_head);
  config.model_file_base_name = json.string("model_file_base_name", "");
  if (json.has("meta")) {
    if (!json.at("meta").is_object()) json.fail("meta", "an object");
    config.meta = json.at("meta");
  }
  // In `meta` in newer files.
  const JsonReader meta(*config.meta, what + ", \"meta\"");
  const auto where = [&](const char* key) -> const JsonReader& { return json.has(key) ? json : meta; };
  config.static_groups = where("static_groups").boolean("static_groups", config.static_groups);
  config.true_sequential = where("true_sequential").boolean("true_sequential", config.true_sequential);
  config.damp_percent = where("damp_percent").number("damp_percent", config.damp_percent);
  config.modules_in_block_to_quantize = read_modules(json);
  if (json.has("dynamic")) {
    if (!json.at("dynamic").is_object()) json.fail("dynamic", "an object");
    for (const auto& [key, value] : ordered["dynamic"].items()) config.dynamic.push_back(read_rule(key, value, what));
  }
  for (const auto& [key, value] : plain.items()) {
    if (!kKnownKeys.count(key)) config.unknown_keys.push_back(key);
  }
  return config;
}

OrderedJson to_json(const QuantizeConfig& config) {
  OrderedJson json;
  json["bits"] = config.bits;
  json["group_size"] = config.group_size;
  json["desc_act"] = config.desc_act;
  json["sym"] = config.sym;
  json["lm_head"] = config.lm_head;
  json["quant_method"] = "gptq";
  json["checkpoint_format"] = to_string(config.format);
  json["pack_dtype"] = "int32";
  json["true_sequential"] = config.true_sequential;
  json["static_groups"] = config.static_groups;
  json["damp_percent"] = config.damp_percent;
  if (!config.modules_in_block_to_quantize.empty()) {
    json["modules_in_block_to_quantize"] = config.modules_in_block_to_quantize;
  }
  OrderedJson dynamic = OrderedJson::object();
  for (const ModuleRule& rule : config.dynamic) {
    const std::string key = (rule.skip ? "-:" : "+:") + rule.pattern;
    if (dynamic.contains(key)) continue;  // of equal patterns the first applies
    OrderedJson& value = dynamic[key] = OrderedJson::object();
    if (rule.bits) value["bits"] = *rule.bits;
    if (rule.group_size) value["group_size"] = *rule.group_size;
    if (rule.sym) value["sym"] = *rule.sym;
    if (rule.desc_act) value["desc_act"] = *rule.desc_act;
  }
  if (!dynamic.empty()) json["dynamic"] = dynamic;
  json["meta"] = *config.meta;
  return json;
}

}  // namespace gptq::checkpoint
