// Values of options from the environment and the configuration file.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <string>
#include <vector>

namespace gptq::cli {

// $XDG_CONFIG_HOME/gptq/config.toml, else ~/.config/gptq/config.toml; "" without a home folder.
std::string config_path();

// Excludes options that concern one call (texts, outputs, --force) and secrets: those are accepted on the command line
// only. Call once, when the tree is complete.
void mark_what_settings_may_hold(CLI::App& program);

std::string environment_name(const CLI::Option& option);  // "GPTQ_GROUP_SIZE" for --group-size

// Precedence: command line, environment, file, defaults. Keys in the file are long names of options: at the top they
// apply to every command that has the option, below [COMMAND] to that command.
class Settings {
 public:
  // Reads the file; a missing one is not an error. Throws Error(kUsage), or kPermission, naming file and line: it is
  // not TOML, or has an unknown key or section.
  static Settings load(const CLI::App& program);

  // Sets the options of the command that have no value. Throws Error(kUsage) naming the variable, or file and line,
  // for invalid values.
  void apply(const CLI::App& program, CLI::App& command);

  // Source of the option's value: "" (the command line or the default), "GPTQ_BITS", "FILE:12". After apply().
  std::string origin(const CLI::Option& option) const;

 private:
  struct Entry {
    std::vector<std::string> values;
    int line = 0;
  };
  using Section = std::map<std::string, Entry>;  // by long name

  void read(const CLI::App& program, const std::string& text);
  const Entry* find(const std::string& command, const CLI::Option& option) const;
  std::string place(int line) const;

  std::string path_;
  Section shared_;
  std::map<std::string, Section> sections_;  // by command
  std::map<const CLI::Option*, std::string> origins_;
};

}  // namespace gptq::cli
