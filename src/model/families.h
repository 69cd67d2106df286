// The table of supported model families.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/json_fwd.h"
#include "model/architecture.h"
#include "model/config.h"
#include "model/program_builder.h"

namespace gptq::model {

struct Family {
  const char* model_type;    // config.json: model_type
  const char* architecture;  // config.json: architectures[0]
  Architecture (*read)(const JsonReader& config);
};

std::span<const Family> families();

// nullptr if no family matches.
const Family* find_family(const Json& config);

// Throws Error(kVerification) naming the architecture and the supported families if no family matches.
const Family& find_family_or_throw(const Json& config, const std::string& what);

// Throws Error(kVerification) naming the supported families if this one is not among them.
Architecture read_architecture(const Json& config, const std::string& what);

// ---- for the files in families/

// Sizes, names, and an RMS norm "model.norm" after the layers; the family adds the layers.
Architecture make_architecture(const DecoderConfig& config);
// Sets the norm after the layers; `name` is the module's full name.
void set_final_norm(Architecture& a, const NormSpec& norm);
// One layer for each window; layers with equal windows share a program.
void add_layers(Architecture& a, std::span<const int64_t> windows,
                const std::function<LayerProgram(int64_t window)>& make_program);

// One function for each row of the table.
Architecture read_llama(const JsonReader& config);
Architecture read_mistral(const JsonReader& config);
Architecture read_qwen2(const JsonReader& config);
Architecture read_qwen3(const JsonReader& config);
Architecture read_gemma2(const JsonReader& config);
Architecture read_phi(const JsonReader& config);

}  // namespace gptq::model
