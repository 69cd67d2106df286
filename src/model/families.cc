// The family table: one row each; the numbers are read in families/.
#include "model/families.h"

#include <gptq/error.h>

#include "core/json.h"
#include "model/config.h"

namespace gptq {

namespace {

constexpr Family kFamilies[] = {
    {"llama", "LlamaForCausalLM", read_llama},
    {"mistral", "MistralForCausalLM", read_mistral},
    {"qwen2", "Qwen2ForCausalLM", read_qwen2},
    {"qwen3", "Qwen3ForCausalLM", read_qwen3},
};

}  // namespace

std::span<const Family> families() { return kFamilies; }

const Family* find_family(const Json& config) {
  const auto type = config.find("model_type");
  if (type == config.end() || !type->is_string()) return nullptr;
  for (const Family& family : kFamilies) {
    if (*type == family.model_type) return &family;
  }
  return nullptr;
}

const Family& find_family_or_throw(const Json& config, const std::string& what) {
  const JsonReader reader(config, what);
  const Family* family = find_family(config);
  if (family == nullptr) {
    std::string known;
    for (const Family& row : kFamilies) known += (known.empty() ? "" : ", ") + std::string(row.model_type);
    throw Error(ErrorKind::kVerification, "reading " + what + ": the architecture \"" +
                                              reader.string("model_type", "(no model_type)") +
                                              "\" is not supported; supported are " + known);
  }
  return *family;
}

Architecture read_architecture(const Json& config, const std::string& what) {
  const Family& family = find_family_or_throw(config, what);
  const JsonReader reader(config, what);
  warn_about_unknown_fields(reader);
  return family.read(reader);
}

}  // namespace gptq
