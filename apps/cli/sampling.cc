// Sampling parameters: flags, /set parameter, and the model's defaults.
#include "sampling.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <algorithm>
#include <limits>
#include <random>
#include <utility>

#include "numbers.h"
#include "options.h"
#include "progress.h"

namespace gptq::cli {

namespace {

constexpr double kMaxInteger = std::numeric_limits<int>::max();
constexpr double kAbove0 = 1e-6;

struct Parameter {
  const char* name;
  const char* flags;
  const char* help;
  double min, max;
  bool whole;
  void (*apply)(Request&, double);
};

const Parameter kParameters[] = {
    {"max_new_tokens", "-n,--max-new-tokens", "Maximum number of tokens to generate", 1, kMaxInteger, true,
     [](Request& r, double v) { r.max_new_tokens = static_cast<int>(v); }},
    {"temperature", "--temperature", "Sampling temperature; 0 always takes the most likely token", 0, 100, false,
     [](Request& r, double v) { r.sampling.temperature = static_cast<float>(v); }},
    {"top_k", "--top-k", "Sample from the N most likely tokens; 0 disables it", 0, kMaxInteger, true,
     [](Request& r, double v) { r.sampling.top_k = static_cast<int>(v); }},
    {"top_p", "--top-p", "Sample from the smallest set of tokens with this total probability; 1 disables it", kAbove0,
     1, false, [](Request& r, double v) { r.sampling.top_p = static_cast<float>(v); }},
    {"min_p", "--min-p", "Drop tokens below this fraction of the highest probability; 0 disables it", 0, 1, false,
     [](Request& r, double v) { r.sampling.min_p = static_cast<float>(v); }},
    {"repetition_penalty", "--repetition-penalty", "Values above 1 make repeated tokens less likely; 1 disables it",
     kAbove0, 100, false, [](Request& r, double v) { r.sampling.repetition_penalty = static_cast<float>(v); }},
    {"seed", "--seed",
     "Same seed, prompt and device: same text (default: a new one each time, shown with -v and --json)", 0,
     9007199254740992.0, true, [](Request& r, double v) { r.sampling.seed = static_cast<uint64_t>(v); }},
};

double parse_number(const Parameter& parameter, const std::string& text) {
  size_t used = 0;
  double value = 0;
  try {
    value = std::stod(text, &used);
  } catch (const std::logic_error&) {
    used = 0;
  }
  const bool number = used > 0 && used == text.size();
  if (number && value >= parameter.min && value <= parameter.max &&
      (!parameter.whole || value == static_cast<double>(static_cast<int64_t>(value)))) {
    return value;
  }
  const std::string range = parameter.max >= kMaxInteger ? fmt::format("of at least {:g}", parameter.min)
                            : parameter.min == kAbove0   ? fmt::format("above 0 and up to {:g}", parameter.max)
                                                       : fmt::format("from {:g} to {:g}", parameter.min, parameter.max);
  throw Error(ErrorKind::kUsage, fmt::format("{} takes a {} {}, not '{}'", parameter.name,
                                             parameter.whole ? "whole number" : "number", range, text));
}

}  // namespace

void add_sampling_options(CLI::App& app, SamplingFlags& flags) {
  for (const Parameter& parameter : kParameters) {
    app.add_option_function<std::string>(
           parameter.flags, [&](const std::string& value) { set_parameter(flags, parameter.name, value); },
           parameter.name == std::string("seed") ? parameter.help
                                                 : std::string(parameter.help) + " (default: the model's own)")
        ->type_name(parameter.whole ? "N" : "X");
  }
  app.add_option("--stop", flags.stop, "End the answer before this text (may be repeated)")
      ->allow_extra_args(false)
      ->type_name("TEXT");
  app.add_flag("--ignore-eos", flags.ignore_eos, "Continue after the model's end-of-text token");
  app.add_flag("--keep-special-tokens", flags.keep_special_tokens,
               "Also print special tokens that the model generates, such as </s>");
  put_into_group(app, kQualityOptions, {"top-k", "top-p", "min-p", "repetition-penalty"});
  put_into_group(app, kExpertOptions, {"ignore-eos", "keep-special-tokens"});
}

void set_parameter(SamplingFlags& flags, const std::string& name, const std::string& value) {
  for (const Parameter& parameter : kParameters) {
    if (name != parameter.name) continue;
    flags.values[name] = parse_number(parameter, value);
    return;
  }
  throw Error(ErrorKind::kUsage,
              fmt::format("no parameter '{}'; expected one of {}", name, fmt::join(parameter_names(), ", ")));
}

std::vector<std::string> parameter_names() {
  std::vector<std::string> names;
  for (const Parameter& parameter : kParameters) names.push_back(parameter.name);
  return names;
}

Request make_request(const Engine& engine, const SamplingFlags& flags, std::vector<TokenId> prompt,
                     std::optional<int> fallback_tokens) {
  const int used = static_cast<int>(prompt.size());
  const int room = engine.context_length() - used;
  if (used == 0) throw Error(ErrorKind::kUsage, "the prompt has no tokens; write at least one character");
  if (room < 1) {
    throw Error(ErrorKind::kUsage,
                fmt::format("the prompt has {} tokens and the model's context holds {} together with the answer; "
                            "shorten the prompt",
                            used, engine.context_length()));
  }
  Request request;
  request.tokens = std::move(prompt);
  request.sampling = engine.default_sampling();
  request.sampling.seed = std::random_device()();
  request.max_new_tokens = engine.default_max_new_tokens().value_or(fallback_tokens.value_or(room));
  for (const Parameter& parameter : kParameters) {
    if (flags.has(parameter.name)) parameter.apply(request, flags.values.at(parameter.name));
  }
  request.max_new_tokens = std::min(request.max_new_tokens, room);
  request.stop = flags.stop;
  request.ignore_eos = flags.ignore_eos;
  request.keep_special_tokens = flags.keep_special_tokens;
  return request;
}

double temperature_of(const Engine& engine, const SamplingFlags& flags) {
  return flags.has("temperature") ? flags.values.at("temperature") : double{engine.default_sampling().temperature};
}

std::string greedy_warning(const Engine& engine, const SamplingFlags& flags) {
  if (temperature_of(engine, flags) > 0) return "";
  const auto given = [&](const char* name) { return flags.has(name); };
  if (!given("top_k") && !given("top_p") && !given("min_p") && !given("seed")) return "";
  return "at temperature 0 the most likely token is always taken, so top-k, top-p, min-p and seed "
         "have no effect; add --temperature 0.7";
}

void say_rates(const Result& result) {
  const int computed = result.prompt_tokens - result.cached_tokens;
  say(fmt::format("prompt: {}{}, {:.1f} tokens/s, first token after {}", human_tokens(result.prompt_tokens),
                  result.cached_tokens > 0 ? fmt::format(" ({} already in the cache)", result.cached_tokens) : "",
                  result.prompt_seconds > 0 ? computed / result.prompt_seconds : 0.0,
                  human_seconds(result.prompt_seconds)));
  say(fmt::format("answer: {}, {:.1f} tokens/s, {}, ended by {}{}", human_tokens(result.new_tokens),
                  result.tokens_per_second(), human_seconds(result.decode_seconds), to_string(result.finish_reason),
                  result.seed ? fmt::format(", seed {}", *result.seed) : ""));
}

}  // namespace gptq::cli
