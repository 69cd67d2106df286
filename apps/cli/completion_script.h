// Shell completion scripts, generated from the option tree.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace gptq::cli {

std::string bash_completion(const CLI::App& program);
std::string zsh_completion(const CLI::App& program);
std::string fish_completion(const CLI::App& program);

}  // namespace gptq::cli
