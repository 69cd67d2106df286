// Options that several subcommands share.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include <gptq/gptq.h>

namespace gptq::cli {

struct CommonOptions {
  bool json = false;
  bool quiet = false;
  bool verbose = false;
};

void add_common_options(CLI::App& app, CommonOptions& options);
void add_model_argument(CLI::App& app, std::string& model);
void add_compute_options(CLI::App& app, ComputeOptions& options);

// A check that digits only are given: CLI11 itself takes "-1" for the largest number there is.
CLI::Validator whole_number();

// An option that is given once for each value, so that it never swallows the argument after it.
CLI::Option* add_repeatable(CLI::App& app, const std::string& name, std::vector<std::string>& values,
                            const std::string& help);

}  // namespace gptq::cli
