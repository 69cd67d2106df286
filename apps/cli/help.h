// Help texts and the nearest name to a misspelled one.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace gptq::cli {

// The page of one subcommand (or of the program): usage, what it does, options with defaults, examples.
std::string help_page(const CLI::App& app);

// The candidate that `word` most likely meant; "" when none is near.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates);

// What is wrong with the command line, with a suggestion, for a person.
std::string explain(const CLI::App& program, const CLI::ParseError& error);

}  // namespace gptq::cli
