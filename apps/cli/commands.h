// The subcommands: each declares its options on a CLI11 app and returns what runs it.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "options.h"

namespace gptq::cli {

using Action = std::function<int()>;  // returns the exit code; throws Error

Action add_quantize(CLI::App& app, const CommonOptions& common);
Action add_chat(CLI::App& app, const CommonOptions& common);
Action add_generate(CLI::App& app, const CommonOptions& common);
Action add_perplexity(CLI::App& app, const CommonOptions& common);
Action add_bench(CLI::App& app, const CommonOptions& common);
Action add_inspect(CLI::App& app, const CommonOptions& common);
Action add_tokenize(CLI::App& app, const CommonOptions& common);
Action add_detokenize(CLI::App& app, const CommonOptions& common);
Action add_template(CLI::App& app, const CommonOptions& common);
Action add_auth(CLI::App& app, const CommonOptions& common);
Action add_pull(CLI::App& app, const CommonOptions& common);
Action add_cache(CLI::App& app, const CommonOptions& common);
Action add_push(CLI::App& app, const CommonOptions& common);
Action add_config(CLI::App& app, const CommonOptions& common);
Action add_completion(CLI::App& app, const CommonOptions& common);
Action add_man(CLI::App& app, const CommonOptions& common);
Action add_doctor(CLI::App& app, const CommonOptions& common);
Action add_version(CLI::App& app, const CommonOptions& common);

}  // namespace gptq::cli
