// The family table, and the parts of an architecture that families share.
#include "model/families.h"

#include <algorithm>

#include <gptq/error.h>

#include "core/json.h"

namespace gptq::model {

namespace {

constexpr Family kFamilies[] = {
    {"llama", "LlamaForCausalLM", read_llama},    {"mistral", "MistralForCausalLM", read_mistral},
    {"qwen2", "Qwen2ForCausalLM", read_qwen2},    {"qwen3", "Qwen3ForCausalLM", read_qwen3},
    {"gemma2", "Gemma2ForCausalLM", read_gemma2}, {"phi", "PhiForCausalLM", read_phi},
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
  Architecture architecture = family.read(reader);
  warn_about_unread_fields(reader);
  return architecture;
}

Architecture make_architecture(const DecoderConfig& c) {
  Architecture a;
  a.model_type = c.model_type;
  a.vocab_size = c.vocab_size;
  a.hidden_size = c.hidden_size;
  a.layers = c.layers;
  a.context_length = c.context_length;
  a.ropes = {c.rope};
  a.tied_head = c.tied_head;
  a.names = {"model.embed_tokens.weight", "model.layers.", "lm_head"};
  set_final_norm(a, {NormKind::kRms, "model.norm", false, 0, c.norm_eps});
  return a;
}

void set_final_norm(Architecture& a, const NormSpec& norm) {
  a.final_parameters = {{norm.name + ".weight", a.hidden_size, norm.offset}};
  if (norm.bias) a.final_parameters.push_back({norm.name + ".bias", a.hidden_size, 0});
  const Columns row{kResidual, 0, a.hidden_size};
  a.final_norm = {row, row, norm.kind, 0, norm.bias ? 1 : kNoParameter, norm.eps};
}

void add_layers(Architecture& a, std::span<const int64_t> windows,
                const std::function<LayerProgram(int64_t window)>& make_program) {
  std::vector<int64_t> distinct;
  for (const int64_t window : windows) {
    auto found = std::find(distinct.begin(), distinct.end(), window);
    if (found == distinct.end()) {
      a.programs.push_back(make_program(window));
      found = distinct.insert(found, window);
    }
    a.program_of_layer.push_back(static_cast<int>(found - distinct.begin()));
  }
}

}  // namespace gptq::model
