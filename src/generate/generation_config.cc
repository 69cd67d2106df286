// Reading generation_config.json.
#include "generate/generation_config.h"

#include <algorithm>
#include <limits>

#include "core/json.h"
#include "core/log.h"
#include "core/python_json.h"
#include "model/config.h"

namespace gptq::generate {

GenerationConfig read_generation_config(const fs::path& folder) {
  GenerationConfig config;
  const fs::path path = folder / "generation_config.json";
  if (!fs::exists(path)) return config;
  const Json json = parse_python_json(read_small_file(path), path.string());
  const JsonReader reader(json, path.string());
  config.eos = model::read_token_ids(reader, "eos_token_id");
  if (reader.has("max_new_tokens")) {
    const int64_t tokens = reader.integer("max_new_tokens");
    if (tokens < 1) {
      warn(path.string() + ": max_new_tokens is " + std::to_string(tokens) + ", expected 1 or more; it is ignored");
    } else {  // numbers beyond any context mean "no limit"
      config.max_new_tokens = static_cast<int>(std::min<int64_t>(tokens, std::numeric_limits<int>::max()));
    }
  }
  config.sampling.repetition_penalty = static_cast<float>(reader.number("repetition_penalty", 1.0));
  if (reader.boolean("do_sample", false)) {
    config.sampling.temperature = static_cast<float>(reader.number("temperature", 1.0));
    config.sampling.top_k =
        static_cast<int>(std::clamp<int64_t>(reader.integer("top_k", 50), 0, std::numeric_limits<int>::max()));
    config.sampling.top_p = static_cast<float>(reader.number("top_p", 1.0));
    config.sampling.min_p = static_cast<float>(reader.number("min_p", 0.0));
  }
  return config;
}

}  // namespace gptq::generate
