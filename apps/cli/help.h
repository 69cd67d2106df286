// Help pages, and suggestions for misspelled names.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace gptq::cli {

// The page of one subcommand (or of the program): usage, what it does, options with defaults, examples.
std::string help_page(const CLI::App& app);

// The candidate nearest to `word`; "" when none is near.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates);

// The fault of the command line as a sentence, with a suggestion.
std::string explain(const CLI::App& program, const CLI::ParseError& error);

}  // namespace gptq::cli
