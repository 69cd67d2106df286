// The table of model families this build runs.
#pragma once

#include <span>
#include <string>

#include "core/json_fwd.h"
#include "model/architecture.h"

namespace gptq {

struct Family {
  const char* model_type;    // config.json: model_type
  const char* architecture;  // config.json: architectures[0]
  Architecture (*read)(const JsonReader& config);
};

std::span<const Family> families();

// nullptr when no family matches.
const Family* find_family(const Json& config);

// Throws Error(kVerification) that names the architecture and lists the supported families when there is none.
const Family& find_family_or_throw(const Json& config, const std::string& what);

// Throws Error(kVerification) that lists the supported families when this one is not among them.
Architecture read_architecture(const Json& config, const std::string& what);

// One function for each file in families/.
Architecture read_llama(const JsonReader& config);
Architecture read_mistral(const JsonReader& config);
Architecture read_qwen2(const JsonReader& config);
Architecture read_qwen3(const JsonReader& config);

}  // namespace gptq
