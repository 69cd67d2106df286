// Reads config.toml, and applies its values and those of the environment to options.
#include "settings.h"

#include <fmt/format.h>
#include <toml++/toml.h>
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>

#include <gptq/gptq.h>

#include "help.h"
#include "input.h"
#include "option_tree.h"

namespace gptq::cli {

namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxConfigBytes = 1 << 20;

std::string variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? "" : value;
}

std::string long_name(const CLI::Option& option) {
  return option.get_lnames().empty() ? "" : option.get_lnames().front();
}

// The configurable options of a command, by name.
std::map<std::string, const CLI::Option*> settable(const CLI::App& command) {
  std::map<std::string, const CLI::Option*> options;
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_configurable()) options[long_name(*option)] = option;
  }
  return options;
}

int line_of(const toml::node& node) { return static_cast<int>(node.source().begin.line); }

// The value as written on a command line; empty for types that no option takes: tables, dates.
std::vector<std::string> words_of(const toml::node& node) {
  if (const auto* text = node.as_string()) return {text->get()};
  if (const auto* number = node.as_integer()) return {std::to_string(number->get())};
  if (const auto* number = node.as_floating_point()) return {fmt::format("{}", number->get())};
  if (const auto* truth = node.as_boolean()) return {truth->get() ? "true" : "false"};
  std::vector<std::string> words;
  if (const auto* list = node.as_array()) {
    for (const toml::node& element : *list) {
      const std::vector<std::string> word = element.is_array() ? std::vector<std::string>() : words_of(element);
      if (word.empty()) return {};
      words.push_back(word[0]);
    }
  }
  return words;
}

std::string guess_text(const std::string& word, const std::vector<std::string>& names) {
  const std::string guess = nearest(word, names);
  return guess.empty() ? "" : fmt::format("; did you mean {}?", guess);
}

// Adds the values as from the command line, and lets the option parse them.
void give(CLI::Option& option, const std::vector<std::string>& values, const std::string& origin) {
  const auto refuse = [&](const std::string& reason) {
    return Error(ErrorKind::kUsage, fmt::format("{}: {}", origin, reason));
  };
  try {
    for (const std::string& value : values) option.add_result(value);
    option.run_callback();
  } catch (const CLI::ParseError& error) {
    throw refuse(error.what());
  } catch (const Error& error) {
    throw refuse(error.what());
  }
}

}  // namespace

std::string config_path() {
  std::string folder = variable("XDG_CONFIG_HOME");
  if (folder.empty() || folder[0] != '/') {  // the standard ignores relative ones
    folder = variable("HOME");
    if (folder.empty()) return "";
    folder += "/.config";
  }
  return folder + "/gptq/config.toml";
}

void mark_what_settings_may_hold(CLI::App& program) {
  static const std::set<std::string> kOnCommandLineOnly = {"abilities",
                                                           "base-model",
                                                           "create-pr",
                                                           "dry-run",
                                                           "exclude",
                                                           "file",
                                                           "force",
                                                           "force-download",
                                                           "help",
                                                           "ids",
                                                           "include",
                                                           "jsonl",
                                                           "local-dir",
                                                           "message",
                                                           "messages",
                                                           "name",
                                                           "output",
                                                           "perplexity-after",
                                                           "perplexity-before",
                                                           "prompt",
                                                           "resume",
                                                           "revision",
                                                           "show",
                                                           "token",
                                                           "tools",
                                                           "variables",
                                                           "version"};
  for (CLI::App* command : program.get_subcommands([](const CLI::App*) { return true; })) {
    for (CLI::Option* option : command->get_options()) {
      const std::string name = long_name(*option);
      if (name.empty() || kOnCommandLineOnly.count(name)) option->configurable(false);
    }
  }
}

std::string environment_name(const CLI::Option& option) {
  std::string name = "GPTQ_" + long_name(option);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return c == '-' ? '_' : static_cast<char>(std::toupper(c)); });
  return name;
}

Settings Settings::load(const CLI::App& program) {
  Settings settings;
  settings.path_ = config_path();
  std::error_code error;
  const fs::file_status status = fs::status(settings.path_, error);
  if (settings.path_.empty() || status.type() == fs::file_type::not_found) return settings;
  const bool file = status.type() == fs::file_type::regular;
  if (error || !file || fs::file_size(settings.path_, error) > kMaxConfigBytes) {
    const ErrorKind kind = error == std::errc::permission_denied ? ErrorKind::kPermission : ErrorKind::kUsage;
    const std::string found = error ? error.message() : file ? "a larger one" : "something else";
    throw Error(kind, fmt::format("reading the configuration {}: found {}, expected a file of at most 1 MiB",
                                  settings.path_, found));
  }
  settings.read(program, read_text(settings.path_));
  return settings;
}

std::string Settings::place(int line) const { return fmt::format("{}:{}", path_, line); }

void Settings::read(const CLI::App& program, const std::string& text) {
  std::map<std::string, std::map<std::string, const CLI::Option*>> options;  // of each command
  std::vector<std::string> commands, anywhere;
  for (const CLI::App* command : commands_of(program)) {
    commands.push_back(command->get_name());
    options[command->get_name()] = settable(*command);
    for (const auto& [name, option] : options[command->get_name()]) anywhere.push_back(name);
  }
  const auto refuse = [&](int line, const std::string& what) {
    return Error(ErrorKind::kUsage, fmt::format("{}: {}", place(line), what));
  };
  const auto entry = [&](const toml::key& key, const toml::node& node) {
    const Entry e = {words_of(node), line_of(node)};
    const auto* list = node.as_array();
    if (!e.values.empty() || (list != nullptr && list->empty())) return e;
    throw refuse(e.line, fmt::format("{} is {}, expected a text, a number, true, false or a list of them", key.str(),
                                     node.is_table() ? "a table" : "of another type"));
  };
  const auto names_of = [](const std::map<std::string, const CLI::Option*>& some) {
    std::vector<std::string> names;
    for (const auto& [name, option] : some) names.push_back(name);
    return names;
  };
  toml::table root;
  try {
    root = toml::parse(text, path_);
  } catch (const toml::parse_error& error) {
    throw refuse(static_cast<int>(error.source().begin.line), fmt::format("not TOML: {}", error.description()));
  }
  for (const auto& [key, node] : root) {
    const std::string name(key.str());
    const toml::table* section = node.as_table();
    if (section == nullptr) {
      const auto has_it = [&](const auto& command) { return command.second.count(name) > 0; };
      if (std::none_of(options.begin(), options.end(), has_it)) {
        throw refuse(line_of(node), fmt::format("no option {} can be set{}", name, guess_text(name, anywhere)));
      }
      shared_[name] = entry(key, node);
      continue;
    }
    if (!options.count(name))
      throw refuse(line_of(node), fmt::format("no command [{}]{}", name, guess_text(name, commands)));
    for (const auto& [option_key, value] : *section) {
      const std::string option(option_key.str());
      if (!options[name].count(option)) {
        throw refuse(line_of(value), fmt::format("gptq {} has no option {} that can be set{}", name, option,
                                                 guess_text(option, names_of(options[name]))));
      }
      sections_[name][option] = entry(option_key, value);
    }
  }
}

const Settings::Entry* Settings::find(const std::string& command, const CLI::Option& option) const {
  const std::string name = long_name(option);
  if (const auto section = sections_.find(command); section != sections_.end()) {
    if (const auto own = section->second.find(name); own != section->second.end()) return &own->second;
  }
  const auto shared = shared_.find(name);
  return shared == shared_.end() ? nullptr : &shared->second;
}

void Settings::apply(const CLI::App& program, CLI::App& command) {
  for (const auto& [name, known] : settable(command)) {
    CLI::Option& option = *command.get_option("--" + name);
    const CLI::Option* before_command = program.get_option_no_throw("--" + name);  // gptq --json inspect ...
    if (option.count() > 0 || (before_command != nullptr && before_command->count() > 0)) continue;
    const auto& excluded = option.get_excludes();
    if (std::any_of(excluded.begin(), excluded.end(), [](const CLI::Option* other) { return other->count() > 0; }))
      continue;
    const std::string twin = environment_name(option), value = variable(twin);
    if (!value.empty()) {
      give(option, {value}, "environment variable " + twin);
      origins_[&option] = twin;
    } else if (const Entry* entry = find(command.get_name(), option); entry != nullptr && !entry->values.empty()) {
      give(option, entry->values, place(entry->line));
      origins_[&option] = place(entry->line);
    }
  }
}

std::string Settings::origin(const CLI::Option& option) const {
  const auto found = origins_.find(&option);
  return found == origins_.end() ? "" : found->second;
}

}  // namespace gptq::cli
