// The commands and options as data, from which help, completions, manual pages and settings are generated.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace gptq::cli {

enum class ValueKind { kNone, kText, kFile, kFolder, kChoice };  // kNone: a flag

struct OptionFacts {
  std::vector<std::string> names;  // "-o", "--output"; empty for an argument
  std::string argument;            // "MODEL"; empty for an option
  std::string value;               // "DIR"; empty for flags and arguments
  ValueKind kind = ValueKind::kNone;
  std::vector<std::string> choices;  // of kChoice, in the order of the declaration
  bool negatable = false;            // the second name negates the first: --sym, --asym
  bool required = false;
  std::string text;   // what it does, its default and whether it is required
  std::string group;  // "Options", "Quality options", "Expert options"
};

OptionFacts facts_of(const CLI::Option& option);
std::string spelling(const OptionFacts& facts);  // "-o, --output DIR", "--sym / --asym", "MODEL"

// The commands in the order of the declaration; all the facts of one of them, or of the program itself.
std::vector<const CLI::App*> commands_of(const CLI::App& program);
std::vector<OptionFacts> all_facts(const CLI::App& app);

std::string usage_line(const CLI::App& app);                 // "gptq inspect MODEL [options]"
std::string first_sentence(const std::string& description);  // without the final period

// The groups of options on a page, "Options" first.
std::vector<std::string> option_groups(const std::vector<OptionFacts>& facts);

// Completions for a value or argument; other values are allowed too.
CLI::Validator suggestion(const std::vector<std::string>& choices);

// One part of the text after the options: "Examples:", a paragraph in one line, or preformatted lines.
struct FooterBlock {
  enum class Kind { kTitle, kParagraph, kLines };
  Kind kind;
  std::vector<std::string> lines;
};
std::vector<FooterBlock> footer_blocks(const std::string& footer);

}  // namespace gptq::cli
