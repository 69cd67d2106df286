// Finds the subcommand, parses its options, and turns errors into messages and exit codes.
#include "run.h"

#include <fmt/format.h>
#include <algorithm>
#include <map>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include <gptq/gptq.h>

#include "help.h"
#include "output.h"
#include "program.h"
#include "progress.h"
#include "settings.h"
#include "streams.h"

namespace gptq::cli {

namespace {

// Commands of other programs, and what to use here instead.
std::string hint_for(const std::string& command) {
  static const std::map<std::string, std::string> kHints = {
      {"login", "use `gptq auth login`"},
      {"logout", "use `gptq auth logout`"},
      {"whoami", "use `gptq auth whoami`"},
      {"run", "to chat with a model: `gptq chat MODEL`; to continue a text: `gptq generate MODEL -p TEXT`"},
      {"list", "the models on this disk: `gptq cache ls`"},
      {"ls", "the models on this disk: `gptq cache ls`"},
      {"show", "what is in a model: `gptq inspect MODEL`"},
      {"rm", "to remove a model from the cache: `gptq cache rm MODEL`"},
      {"ps", "models are not kept loaded between commands, so there is nothing to list"},
      {"serve", "gptq has no server; `vllm serve DIR` serves its checkpoints, `gptq chat DIR` chats on a terminal"},
  };
  const auto found = kHints.find(command);
  return found == kHints.end() ? "" : "; " + found->second;
}

int usage_error(const std::string& message, const std::string& command) {
  say(fmt::format("gptq: error: {}\nTry gptq {}--help", message, command.empty() ? "" : command + " "));
  return static_cast<int>(ErrorKind::kUsage);
}

// "gptq help quantize" is "gptq quantize --help".
std::vector<std::string> arguments_of(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  if (!arguments.empty() && arguments[0] == "help") {
    arguments.erase(arguments.begin());
    arguments.push_back("--help");
  }
  return arguments;
}

void listen_to_library(const CommonOptions& common) {
  on_message([quiet = common.quiet](bool warning, const std::string& text) {
    if (warning) {
      say("warning: " + text);
    } else if (!quiet) {
      say("note: " + text);
    }
  });
}

// The first argument that is not an option: options before the command take no values.
auto command_in(const std::vector<std::string>& arguments) {
  return std::find_if(arguments.begin(), arguments.end(), [](const auto& word) { return word[0] != '-'; });
}

// Parses, then fills in values of the environment and the file; required options are checked after that.
void parse(Program& program, std::vector<std::string> arguments) {
  CLI::App& app = program.app();
  std::reverse(arguments.begin(), arguments.end());  // in the order that CLI11 expects
  std::optional<CLI::RequiredError> missing;
  try {
    app.parse(arguments);
  } catch (const CLI::RequiredError& error) {
    missing = error;
  }
  if (app.get_subcommands().empty() || (missing && !app.remaining(true).empty())) throw *missing;
  CLI::App& command = *app.get_subcommands().front();
  Settings::load(app).apply(app, command);
  for (const CLI::Option* option : command.get_options()) {
    const auto& given = option->results();
    if (option->get_type_name() != "TEXT" && std::find(given.begin(), given.end(), "") != given.end()) {
      throw CLI::ValidationError(option->get_name(), "the value is empty");
    }
    if (option->get_required() && option->count() == 0) throw CLI::RequiredError(option->get_name());
  }
}

int run_command(int argc, char** argv) {
  Program program;
  const std::vector<std::string> arguments = arguments_of(argc, argv);
  if (arguments.empty()) {
    put_error(help_page(program.app()));
    return static_cast<int>(ErrorKind::kUsage);
  }
  const std::vector<std::string> names = program.command_names();
  const auto command = command_in(arguments);
  if (std::find(arguments.begin(), command, "--version") != command) {
    put("gptq " + version() + "\n");
    return 0;
  }
  if (command != arguments.end() && std::find(names.begin(), names.end(), *command) == names.end()) {
    const std::string guess = nearest(*command, names);
    std::string hint = hint_for(*command);
    if (hint.empty() && !guess.empty()) hint = fmt::format("; did you mean {}?", guess);
    return usage_error(fmt::format("no command '{}'{}", *command, hint), "");
  }
  try {
    parse(program, arguments);
  } catch (const CLI::CallForHelp&) {
    put(help_page(program.app()));
    return 0;
  } catch (const CLI::ParseError& error) {
    const auto chosen = program.app().get_subcommands();
    return usage_error(explain(program.app(), error), chosen.empty() ? "" : chosen.front()->get_name());
  }
  listen_to_library(program.common());
  return program.run(*program.app().get_subcommands().front());
}

// Prints the message of the current exception; returns the exit code.
int report() {
  try {
    throw;
  } catch (const BrokenPipe&) {
    return 0;
  } catch (const Error& error) {
    const bool stopped = error.kind() == ErrorKind::kInterrupted;
    say(fmt::format("gptq: {}{}", stopped ? "" : "error: ", error.what()));
    return error.exit_code();
  } catch (const std::bad_alloc&) {
    put_error("gptq: error: out of memory; close other programs, or use fewer --samples or a shorter --seqlen\n");
    return static_cast<int>(ErrorKind::kOutOfMemory);
  } catch (const std::exception& error) {
    say(fmt::format("gptq: error: {} (this is a bug in gptq; please report it)", error.what()));
    return static_cast<int>(ErrorKind::kGeneral);
  }
}

}  // namespace

int run(int argc, char** argv) {
  try {
    const int code = run_command(argc, argv);
    flush();
    return code;
  } catch (...) {
    try {
      return report();
    } catch (...) {  // no memory even for the message
      put_error("gptq: error: out of memory\n");
      return static_cast<int>(ErrorKind::kOutOfMemory);
    }
  }
}

}  // namespace gptq::cli
