// Sampling parameters: flags, /set parameter, and the model's defaults.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gptq/gptq.h>

namespace gptq::cli {

struct SamplingFlags {
  std::map<std::string, double> values;  // of the parameters that were set, by name: "temperature"
  std::vector<std::string> stop;
  bool ignore_eos = false;
  bool keep_special_tokens = false;

  bool has(const std::string& name) const { return values.count(name) > 0; }
};

void add_sampling_options(CLI::App& app, SamplingFlags& flags);

// By name as in /set parameter, for example "temperature". Throws Error(kUsage) for an unknown name or bad value.
void set_parameter(SamplingFlags& flags, const std::string& name, const std::string& value);
std::vector<std::string> parameter_names();

// The request for this prompt: flags, else the model's defaults, else `fallback_tokens` (absent: to the end of the
// context). Without a seed each request draws a new one (see Result::seed). Throws Error(kUsage) when the prompt leaves
// no room for an answer.
Request make_request(const Engine& engine, const SamplingFlags& flags, std::vector<TokenId> prompt,
                     std::optional<int> fallback_tokens);

// The one of the flags, else the model's.
double temperature_of(const Engine& engine, const SamplingFlags& flags);

// A warning when sampling flags are given while the temperature is 0; else "".
std::string greedy_warning(const Engine& engine, const SamplingFlags& flags);

void say_rates(const Result& result);  // prompt and answer tokens, rates and the seed, on standard error

}  // namespace gptq::cli
