// Options that several subcommands share.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include <gptq/gptq.h>

namespace gptq::cli {

struct CommonOptions {
  bool json = false;
  bool quiet = false;
  bool verbose = false;
};

// Groups of options on a page; all others are "Options".
constexpr const char* kQualityOptions = "Quality options";  // what decides how good the result is
constexpr const char* kExpertOptions = "Expert options";    // what is right as it is, nearly always

void add_common_options(CLI::App& app, CommonOptions& options);
void add_model_argument(CLI::App& app, std::string& model);
void add_compute_options(CLI::App& app, ComputeOptions& options);

// Moves options, by their long names, into a group.
void put_into_group(CLI::App& app, const char* group, const std::vector<std::string>& names);

// A check for digits only: CLI11 itself reads "-1" as the maximum value.
CLI::Validator whole_number();

// An option that takes one value each time it is given, so that it never consumes the argument after it.
CLI::Option* add_repeatable(CLI::App& app, const std::string& name, std::vector<std::string>& values,
                            const std::string& help);

}  // namespace gptq::cli
