// Shell completion scripts, generated from the option tree.
#include "completion_script.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <vector>

#include "option_tree.h"

namespace gptq::cli {

namespace {

// One word for bash and zsh.
std::string shell_quoted(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return "'" + out + "'";
}

std::string fish_quoted(const std::string& text) {
  std::string escaped;
  for (const char c : text) escaped += (c == '\\' || c == '\'') ? std::string("\\") + c : std::string(1, c);
  return "'" + escaped + "'";
}

std::vector<std::string> names_of_commands(const CLI::App& program) {
  std::vector<std::string> names;
  for (const CLI::App* command : commands_of(program)) names.push_back(command->get_name());
  return names;
}

// The completion of an option's value or of an argument, as an action of bash's `gptq_values`.
std::string bash_values(const OptionFacts& facts) {
  switch (facts.kind) {
    case ValueKind::kChoice:
      return fmt::format("words {}", shell_quoted(fmt::format("{}", fmt::join(facts.choices, " "))));
    case ValueKind::kFile: return "files";
    case ValueKind::kFolder: return "folders";
    default: return "nothing";
  }
}

struct BashCommand {
  std::string names, values, arguments;
};

BashCommand bash_command(const CLI::App& command) {
  BashCommand out;
  int position = 0;
  for (const OptionFacts& facts : all_facts(command)) {
    if (!facts.argument.empty()) {
      out.arguments += fmt::format("    {}:{}) _gptq_{} ;;\n", command.get_name(), position++, bash_values(facts));
      continue;
    }
    for (const std::string& name : facts.names) {
      out.names += (out.names.empty() ? "" : " ") + name;
      if (facts.kind != ValueKind::kNone)
        out.values += fmt::format("    {}:{}) _gptq_{} ;;\n", command.get_name(), name, bash_values(facts));
    }
  }
  return out;
}

constexpr const char* kBashHead = R"(# bash completion for gptq; made by `gptq completion bash`.
# Kept by: gptq completion bash > ~/.local/share/bash-completion/completions/gptq

_gptq_words() { COMPREPLY=($(compgen -W "$1" -- "$cur")); }
_gptq_nothing() { COMPREPLY=(); }
_gptq_files() { compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); }
_gptq_folders() { compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur"); }

# Completes the value of $1 behind the command, or says that it takes none.
_gptq_value() {
  case "$command:$1" in
)";

constexpr const char* kBashMiddle = R"(    *) return 1 ;;
  esac
}

# Completes the argument number $1 behind the command.
_gptq_argument() {
  case "$command:$1" in
)";

constexpr const char* kBashTail = R"(
_gptq() {
  local cur=${COMP_WORDS[COMP_CWORD]} previous="" command="" position=0 word i
  [ "$COMP_CWORD" -gt 0 ] && previous=${COMP_WORDS[COMP_CWORD - 1]}
  # readline makes three words of --bits=4
  if [ "$cur" = "=" ]; then
    cur=""
  elif [ "$previous" = "=" ] && [ "$COMP_CWORD" -gt 1 ]; then
    previous=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((i = 1; i < COMP_CWORD; ++i)); do
    word=${COMP_WORDS[i]}
    if [ "$word" = "=" ]; then
      ((++i))
    elif [ -z "$command" ]; then
      [[ $word == -* ]] || command=$word
    elif [[ $word == -* ]]; then
      if [ "${COMP_WORDS[i + 1]}" != "=" ] && _gptq_value "$word"; then ((++i)); fi
    else
      ((++position))
    fi
  done
  COMPREPLY=()
  if [ -z "$command" ]; then
    if [[ $cur == -* ]]; then _gptq_words "$_gptq_global"; else _gptq_words "$_gptq_commands"; fi
  elif _gptq_value "$previous"; then
    :
  elif [[ $cur == -* ]]; then
    _gptq_options
  else
    _gptq_argument "$position"
  fi
}
complete -F _gptq gptq
)";

// The value action for zsh's _arguments.
std::string zsh_action(const OptionFacts& facts) {
  switch (facts.kind) {
    case ValueKind::kChoice: return fmt::format("({})", fmt::join(facts.choices, " "));
    case ValueKind::kFile: return "_files";
    case ValueKind::kFolder: return "_files -/";
    default: return " ";
  }
}

std::string zsh_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_option(const OptionFacts& facts) {
  std::string lines;
  for (const std::string& name : facts.names) {
    std::string spec = fmt::format("*{}{}[{}]", name,
                                   facts.kind == ValueKind::kNone ? ""
                                   : name[1] == '-'               ? "="
                                                                  : "+",
                                   zsh_text(facts.text));
    if (facts.kind != ValueKind::kNone) spec += fmt::format(":{}:{}", zsh_text(facts.value), zsh_action(facts));
    lines += " \\\n        " + shell_quoted(spec);
  }
  return lines;
}

std::string fish_names(const OptionFacts& facts) {
  std::string text;
  for (const std::string& name : facts.names)
    text += name[1] == '-' ? " -l " + name.substr(2) : " -s " + name.substr(1);
  return text;
}

std::string fish_value(const OptionFacts& facts) {
  switch (facts.kind) {
    case ValueKind::kNone: return "";
    case ValueKind::kChoice:
      return fmt::format(" -x -a {}", fish_quoted(fmt::format("{}", fmt::join(facts.choices, " "))));
    case ValueKind::kFile: return " -r -F";
    case ValueKind::kFolder: return " -x -a '(__fish_complete_directories)'";
    default: return " -x";
  }
}

}  // namespace

std::string bash_completion(const CLI::App& program) {
  std::string values, arguments, options;
  for (const CLI::App* command : commands_of(program)) {
    const BashCommand part = bash_command(*command);
    values += part.values;
    arguments += part.arguments;
    options += fmt::format("    {}) _gptq_words {} ;;\n", command->get_name(), shell_quoted(part.names));
  }
  return fmt::format(
      "{}{}{}{}    *) _gptq_nothing ;;\n  esac\n}}\n\n_gptq_options() {{\n  case \"$command\" in\n{}  esac\n}}\n\n"
      "_gptq_commands={}\n_gptq_global={}\n{}",
      kBashHead, values, kBashMiddle, arguments, options,
      shell_quoted(fmt::format("{} help", fmt::join(names_of_commands(program), " "))),
      shell_quoted(bash_command(program).names), kBashTail);
}

std::string zsh_completion(const CLI::App& program) {
  std::string text =
      "#compdef gptq\n# zsh completion for gptq; made by `gptq completion zsh`.\n"
      "# Kept by: gptq completion zsh > DIR/_gptq, with DIR in $fpath\n\n_gptq() {\n"
      "  local -a commands\n  local context state state_descr line\n  typeset -A opt_args\n  commands=(\n";
  for (const CLI::App* command : commands_of(program)) {
    text +=
        "    " + shell_quoted(command->get_name() + ":" + zsh_text(first_sentence(command->get_description()))) + "\n";
  }
  text += "  )\n  _arguments -C";
  for (const OptionFacts& facts : all_facts(program)) text += zsh_option(facts);
  text +=
      " \\\n        '1:command:->command' \\\n        '*::argument:->arguments'\n"
      "  if [[ $state == command ]]; then\n    _describe -t commands command commands\n    return\n  fi\n"
      "  [[ $state == arguments ]] || return\n  case $line[1] in\n";
  for (const CLI::App* command : commands_of(program)) {
    text += fmt::format("    {})\n      _arguments -s", command->get_name());
    int position = 0;
    for (const OptionFacts& facts : all_facts(*command)) {
      if (facts.argument.empty()) {
        text += zsh_option(facts);
      } else {
        text += " \\\n        " +
                shell_quoted(fmt::format("{}{}{}:{}", ++position, facts.required ? ":" : "::", zsh_text(facts.argument),
                                         zsh_action(facts)));
      }
    }
    text += "\n      ;;\n";
  }
  return text + "  esac\n}\n\nif [[ $funcstack[1] == _gptq ]]; then\n  _gptq \"$@\"\nelse\n  compdef _gptq gptq\nfi\n";
}

std::string fish_completion(const CLI::App& program) {
  const std::string commands = fmt::format("{}", fmt::join(names_of_commands(program), " "));
  std::string text =
      "# fish completion for gptq; made by `gptq completion fish`.\n"
      "# Kept by: gptq completion fish > ~/.config/fish/completions/gptq.fish\n\ncomplete -c gptq -f\n";
  const std::string none = fish_quoted("not __fish_seen_subcommand_from " + commands);
  for (const OptionFacts& facts : all_facts(program)) {
    text += fmt::format("complete -c gptq -n {}{}{} -d {}\n", none, fish_names(facts), fish_value(facts),
                        fish_quoted(facts.text));
  }
  for (const CLI::App* command : commands_of(program)) {
    text += fmt::format("complete -c gptq -n {} -a {} -d {}\n", none, command->get_name(),
                        fish_quoted(first_sentence(command->get_description())));
  }
  for (const CLI::App* command : commands_of(program)) {
    const std::string seen = fish_quoted("__fish_seen_subcommand_from " + command->get_name());
    for (const OptionFacts& facts : all_facts(*command)) {
      if (facts.argument.empty()) {
        text += fmt::format("complete -c gptq -n {}{}{} -d {}\n", seen, fish_names(facts), fish_value(facts),
                            fish_quoted(facts.text));
      } else if (facts.kind == ValueKind::kChoice) {
        text += fmt::format("complete -c gptq -n {} -a {}\n", seen,
                            fish_quoted(fmt::format("{}", fmt::join(facts.choices, " "))));
      } else if (facts.kind == ValueKind::kFolder) {
        text += fmt::format("complete -c gptq -n {} -a '(__fish_complete_directories)'\n", seen);
      }
    }
  }
  return text;
}

}  // namespace gptq::cli
