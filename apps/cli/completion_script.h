// Scripts that make a shell complete commands, options and their values, made from the tree of options.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace gptq::cli {

std::string bash_completion(const CLI::App& program);
std::string zsh_completion(const CLI::App& program);
std::string fish_completion(const CLI::App& program);

}  // namespace gptq::cli
