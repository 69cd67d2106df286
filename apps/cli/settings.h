// Options that come from the environment and from the configuration file.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <string>
#include <vector>

namespace gptq::cli {

// $XDG_CONFIG_HOME/gptq/config.toml, else ~/.config/gptq/config.toml; "" when there is no home folder.
std::string config_path();

// Options that say what one call is about (texts, outputs, --force) and secrets are given on the command line alone.
// Call once, when the tree is complete.
void mark_what_settings_may_hold(CLI::App& program);

std::string environment_name(const CLI::Option& option);  // "GPTQ_GROUP_SIZE" for --group-size

// The command line goes before the environment, that before the file, and that before the defaults. In the file, keys
// are long names of options: at the top they hold for every command that has the option, below [COMMAND] for it alone.
class Settings {
 public:
  // Reads the file; that it is absent is fine. Throws Error(kUsage), or kPermission, naming file and line: it is not
  // TOML, or has a key or section that does not exist.
  static Settings load(const CLI::App& program);

  // Gives values to the options of the command that have none. Throws Error(kUsage) naming the variable, or file and
  // line, for values that the option does not take.
  void apply(const CLI::App& program, CLI::App& command);

  // Where the option's value comes from: "" (the command line or the default), "GPTQ_BITS", "FILE:12". After apply().
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
