// gptq config: shows the value of every option and its source.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <algorithm>
#include <filesystem>
#include <memory>

#include <gptq/gptq.h>

#include "commands.h"
#include "help.h"
#include "option_tree.h"
#include "output.h"
#include "progress.h"
#include "settings.h"
#include "table.h"

namespace gptq::cli {

namespace {

constexpr const char* kConfigFooter = R"(Actions:
  show [COMMAND]    Every option of the command, or of all, with its value and its source; checks the whole file
  path              Path of the configuration file, whether it exists or not

The file is TOML. Keys are long names of options; at the top they apply to every command that has the option, below
[COMMAND] to that command only:

  threads = 4

  [quantize]
  group-size = 32
  rule = [".*down_proj:bits=8"]

  [chat]
  temperature = 0.7

The variable of an option is its name in capitals: GPTQ_GROUP_SIZE, GPTQ_TOP_P; flags take true and false. In order of
precedence, values come from the command line, the environment, the file, and the defaults. Options that concern a
single call (MODEL, texts, --output, --force, --resume) and tokens are accepted on the command line only.

Examples:
  gptq config show quantize
  gptq config show --json
  mkdir -p $(dirname $(gptq config path)) && echo 'threads = 4' > $(gptq config path)
)";

struct ConfigArguments {
  std::string action, command;
};

struct Row {
  std::string command, option, value, origin;  // origin: "", "GPTQ_BITS", "FILE:12"
};

std::string value_of(const CLI::Option& option) {
  if (option.count() > 0) return fmt::format("{}", fmt::join(option.results(), ", "));
  const std::string value = option.get_default_str();
  if (facts_of(option).kind == ValueKind::kNone && value.empty()) return "false";
  return value == "[]" ? "" : value;
}

std::vector<Row> rows_of(CLI::App& program, Settings& settings, const std::string& wanted) {
  std::vector<Row> rows;
  for (CLI::App* command : program.get_subcommands([](const CLI::App*) { return true; })) {
    // The command line of `config` itself does not apply to other commands.
    if (command->parsed() || (!wanted.empty() && command->get_name() != wanted)) continue;
    settings.apply(program, *command);
    for (const CLI::Option* option : command->get_options()) {
      if (!option->get_configurable()) continue;
      rows.push_back(
          {command->get_name(), "--" + option->get_lnames().front(), value_of(*option), settings.origin(*option)});
    }
  }
  return rows;
}

std::string kind_of(const std::string& origin) {
  if (origin.empty()) return "default";
  return origin.starts_with("GPTQ_") ? "environment" : "file";
}

// `common` is a copy: settings of other commands change the original.
int show(CLI::App& program, const ConfigArguments& a, CommonOptions common) {
  const std::vector<const CLI::App*> commands = commands_of(program);
  std::vector<std::string> names;
  for (const CLI::App* command : commands) names.push_back(command->get_name());
  if (!a.command.empty() && std::find(names.begin(), names.end(), a.command) == names.end()) {
    const std::string guess = nearest(a.command, names);
    throw Error(ErrorKind::kUsage, fmt::format("no command '{}'{}", a.command,
                                               guess.empty() ? "" : fmt::format("; did you mean {}?", guess)));
  }
  Settings settings = Settings::load(program);
  const std::string path = config_path();
  const bool exists = !path.empty() && std::filesystem::exists(path);
  const std::vector<Row> rows = rows_of(program, settings, a.command);
  if (common.json) {
    Json options = Json::array();
    for (const Row& row : rows) {
      options.push_back({{"command", row.command},
                         {"option", row.option},
                         {"value", row.value.empty() ? Json() : Json(row.value)},
                         {"from", kind_of(row.origin)},
                         {"origin", row.origin.empty() ? Json() : Json(row.origin)}});
    }
    put_json({{"file", path}, {"exists", exists}, {"options", std::move(options)}});
    return 0;
  }
  if (!common.quiet) say(fmt::format("note: the file is {}{}", path, exists ? "" : ", which does not exist"));
  Table table({{"command"}, {"option"}, {"value"}, {"from"}});
  for (const Row& row : rows) {
    const std::string kind = kind_of(row.origin);
    table.add({row.command, row.option, row.value.empty() ? "-" : row.value,
               row.origin.empty() ? kind : kind + " " + row.origin});
  }
  put(table.str());
  return 0;
}

}  // namespace

Action add_config(CLI::App& app, const CommonOptions& common) {
  const auto arguments = std::make_shared<ConfigArguments>();
  app.add_option("ACTION", arguments->action, "show or path")->required()->check(CLI::IsMember({"show", "path"}));
  app.add_option("COMMAND", arguments->command, "For show: only this command");
  app.footer(kConfigFooter);
  return [arguments, &app, &common] {
    if (arguments->action == "show") return show(*app.get_parent(), *arguments, common);
    const std::string path = config_path();
    if (path.empty()) {
      throw Error(ErrorKind::kNotFound, "found no home folder for the configuration file; set HOME or XDG_CONFIG_HOME");
    }
    common.json ? put_json({{"file", path}}) : put(path + "\n");
    return 0;
  };
}

}  // namespace gptq::cli
