// The gptq program: finds the subcommand and turns errors into messages and exit codes.
#include <fmt/format.h>
#include <signal.h>
#include <map>
#include <new>
#include <string>
#include <vector>

#include <gptq/gptq.h>

#include "bus_error.h"
#include "commands.h"
#include "help.h"
#include "output.h"
#include "progress.h"
#include "streams.h"

namespace gptq::cli {

namespace {

struct Command {
  const char* name;
  const char* summary;  // its first sentence in the list of commands, whole on its own page
  Action (*add)(CLI::App&, const CommonOptions&);
};

const Command kCommands[] = {
    {"quantize", "Quantize a model folder with GPTQ. The result is a Hugging Face checkpoint folder.", add_quantize},
    {"chat", "Talk with a model. With -p one answer, else a conversation.", add_chat},
    {"generate", "Continue a text. The text streams to standard output.", add_generate},
    {"perplexity", "Measure how well a model predicts a text.", add_perplexity},
    {"bench", "Measure how fast a model loads, reads prompts and makes tokens.", add_bench},
    {"inspect", "Show what is in a model folder: architecture, bits, sizes, tensors.", add_inspect},
    {"tokenize", "Turn text into token ids.", add_tokenize},
    {"detokenize", "Turn token ids back into text.", add_detokenize},
    {"template", "Render a conversation with the model's chat template.", add_template},
    {"auth", "Log in to the Hugging Face Hub, and out. Logins are shared with huggingface_hub.", add_auth},
    {"pull", "Fetch a model from the Hugging Face Hub. The folder's path is printed.", add_pull},
    {"cache", "Show, clean and check the cache of models from the Hub.", add_cache},
    {"push", "Upload a model folder to the Hugging Face Hub, with a model card.", add_push},
    {"doctor", "Check this machine: processor, BLAS, GPUs, cache, token.", add_doctor},
    {"version", "Show which build this is.", add_version},
};

constexpr const char* kFooter = R"(First day:
  gptq inspect models/demo                                   what is in the folder?
  gptq quantize models/demo -o demo-4bit                     make it small
  gptq perplexity demo-4bit --text models/demo/eval.txt      is it still good? (models/demo gives the original's)
  gptq bench demo-4bit                                       how fast is it?
  gptq chat demo-4bit                                        talk with it
  gptq generate demo-4bit -p 'It was a dark night'           let it continue a text
  gptq tokenize demo-4bit -p 'Hello there'                   what does the model see?
  gptq detokenize demo-4bit --ids 1,2,3                      and back
  gptq template demo-4bit --show                             how does it read a conversation?
  gptq auth login                                            may I? (a token of huggingface.co)
  gptq pull mistralai/Mistral-7B-Instruct-v0.3               a model from the Hub; its name works as MODEL, too
  gptq cache ls                                              which models of the Hub are on this disk?
  gptq push demo-4bit YOU/demo-4bit --private                share it on the Hub
  gptq doctor                                                is everything here that it needs?
  gptq version                                               which build, which device?

gptq COMMAND --help explains each option. Results go to standard output, everything else to standard error.

Exit codes:
  0  done                        5  the network failed
  1  failed (disk, folder, bug)  6  damaged or unsupported model files
  2  wrong command line          7  out of memory
  3  not found                   8  numerical failure (NaN)
  4  permission refused        130  interrupted; quantize goes on with --resume, pull by itself
)";

// What people type who know other programs: what does it here.
std::string hint_for(const std::string& command) {
  static const std::map<std::string, std::string> kHints = {
      {"login", "logging in is `gptq auth login`"},
      {"logout", "logging out is `gptq auth logout`"},
      {"whoami", "it is `gptq auth whoami`"},
      {"run", "to talk with a model: `gptq chat MODEL`; to continue a text: `gptq generate MODEL -p TEXT`"},
      {"list", "the models on this disk: `gptq cache ls`"},
      {"ls", "the models on this disk: `gptq cache ls`"},
      {"show", "what is in a model: `gptq inspect MODEL`"},
      {"rm", "to remove a model from the cache: `gptq cache rm MODEL`"},
      {"ps", "no models stay loaded between commands, so there is nothing to list"},
      {"serve", "gptq has no server; vLLM serves its checkpoints (`vllm serve DIR`), and `gptq chat DIR` talks here"},
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

int run(int argc, char** argv) {
  CLI::App program("Quantizes Hugging Face language models with GPTQ and runs them.");
  program.option_defaults()->always_capture_default();
  program.set_help_flag("-h,--help", "Show this page");
  program.footer(kFooter);
  program.require_subcommand(1);
  bool show_version = false;
  program.add_flag("--version", show_version, "Show the version");

  CommonOptions common;
  std::map<const CLI::App*, Action> actions;
  std::vector<std::string> names;
  for (const Command& command : kCommands) {
    CLI::App* app = program.add_subcommand(command.name, command.summary);
    actions[app] = command.add(*app, common);
    add_common_options(*app, common);
    names.push_back(command.name);
  }

  std::vector<std::string> arguments = arguments_of(argc, argv);
  if (arguments.empty()) {
    put_error(help_page(program));
    return static_cast<int>(ErrorKind::kUsage);
  }
  if (arguments[0] == "--version") {
    put("gptq " + version() + "\n");
    return 0;
  }
  if (arguments[0][0] != '-' && std::find(names.begin(), names.end(), arguments[0]) == names.end()) {
    const std::string guess = nearest(arguments[0], names);
    std::string hint = hint_for(arguments[0]);
    if (hint.empty() && !guess.empty()) hint = fmt::format("; did you mean {}?", guess);
    return usage_error(fmt::format("there is no command '{}'{}", arguments[0], hint), "");
  }
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // as CLI11 wants them
    program.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    put(help_page(program));
    return 0;
  } catch (const CLI::ParseError& error) {
    const auto chosen = program.get_subcommands();
    return usage_error(explain(program, error), chosen.empty() ? "" : chosen.front()->get_name());
  }
  listen_to_library(common);
  return actions.at(program.get_subcommands().front())();
}

// Says what the exception on its way is about; gives the exit code.
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

int run_and_report(int argc, char** argv) {
  try {
    const int code = run(argc, argv);
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

}  // namespace

}  // namespace gptq::cli

int main(int argc, char** argv) {
  gptq::cli::open_standard_streams();
  signal(SIGPIPE, SIG_IGN);  // a closed pager must not end a long quantization; put() notices closed pipes
  gptq::cli::explain_bus_errors();
  return gptq::cli::run_and_report(argc, argv);
}
