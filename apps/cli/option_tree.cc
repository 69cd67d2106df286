// Extracts the option tree from CLI11.
#include "option_tree.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <algorithm>
#include <sstream>

#include "options.h"

namespace gptq::cli {

namespace {

// "{2,3,4,8}" among what the checks say of themselves.
std::vector<std::string> choices_in(const std::string& type) {
  const size_t open = type.find('{'), close = type.find('}', open);
  std::vector<std::string> choices;
  if (open == std::string::npos || close == std::string::npos) return choices;
  std::istringstream list(type.substr(open + 1, close - open - 1));
  for (std::string choice; std::getline(list, choice, ',');) choices.push_back(choice);
  return choices;
}

bool takes_a_value(const CLI::Option& option) { return option.get_expected_max() > 0; }

std::string description_of(const CLI::Option& option) {
  std::string text = option.get_description();
  const std::string value = option.get_default_str();
  if (takes_a_value(option) && !value.empty() && value != "[]") text += " (default: " + value + ")";
  if (option.get_required()) text += " (required)";
  return text;
}

}  // namespace

OptionFacts facts_of(const CLI::Option& option) {
  OptionFacts facts;
  for (const std::string& name : option.get_snames()) facts.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) facts.names.push_back("--" + name);
  if (facts.names.empty()) facts.argument = option.get_name(true);
  const std::string type = option.get_type_name();  // CLI11 appends what its checks accept
  const std::string value = type.substr(0, type.find(':'));
  if (takes_a_value(option)) {
    facts.choices = choices_in(type);
    facts.kind = !facts.choices.empty() ? ValueKind::kChoice
                 : value == "FILE"      ? ValueKind::kFile
                 : value == "DIR"       ? ValueKind::kFolder
                                        : ValueKind::kText;
    if (facts.argument.empty()) facts.value = value;
  }
  facts.negatable = !option.get_fnames().empty();
  facts.required = option.get_required();
  facts.text = description_of(option);
  facts.group = option.get_group();
  return facts;
}

std::string spelling(const OptionFacts& facts) {
  if (!facts.argument.empty()) return facts.argument;
  const std::string names = fmt::format("{}", fmt::join(facts.names, facts.negatable ? " / " : ", "));
  return facts.value.empty() ? names : names + " " + facts.value;
}

std::vector<const CLI::App*> commands_of(const CLI::App& program) {
  return program.get_subcommands([](const CLI::App*) { return true; });
}

std::vector<OptionFacts> all_facts(const CLI::App& app) {
  std::vector<OptionFacts> all;
  for (const CLI::Option* option : app.get_options()) all.push_back(facts_of(*option));
  return all;
}

std::string usage_line(const CLI::App& app) {
  if (app.get_parent() == nullptr) return "gptq COMMAND [options]";
  std::string arguments, options;
  for (const OptionFacts& facts : all_facts(app)) {
    if (!facts.argument.empty()) {
      arguments += facts.required ? " " + facts.argument : " [" + facts.argument + "]";
    } else if (facts.required) {
      options += " " + facts.names.front() + " " + facts.value;
    }
  }
  return "gptq " + app.get_name() + arguments + options + " [options]";
}

std::string first_sentence(const std::string& description) { return description.substr(0, description.find('.')); }

std::vector<std::string> option_groups(const std::vector<OptionFacts>& facts) {
  std::vector<std::string> groups = {"Options"};
  for (const char* group : {kQualityOptions, kExpertOptions}) {
    const auto in_group = [&](const OptionFacts& f) { return f.argument.empty() && f.group == group; };
    if (std::any_of(facts.begin(), facts.end(), in_group)) groups.push_back(group);
  }
  return groups;
}

CLI::Validator suggestion(const std::vector<std::string>& choices) {
  return CLI::Validator([](std::string&) { return std::string(); }, fmt::format("{{{}}}", fmt::join(choices, ",")));
}

std::vector<FooterBlock> footer_blocks(const std::string& footer) {
  using Kind = FooterBlock::Kind;
  std::vector<FooterBlock> blocks;
  std::istringstream lines(footer);
  bool open = false;  // the last block takes more lines
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) {
      open = false;
      continue;
    }
    const bool title = line.back() == ':' && line[0] != ' ' && !open;
    const Kind kind = line[0] == ' ' ? Kind::kLines : title ? Kind::kTitle : Kind::kParagraph;
    if (!open || blocks.back().kind != kind) {
      blocks.push_back({kind, {line}});
    } else if (kind == Kind::kParagraph) {
      blocks.back().lines[0] += " " + line;
    } else {
      blocks.back().lines.push_back(line);
    }
    open = kind != Kind::kTitle;
  }
  return blocks;
}

}  // namespace gptq::cli
