// Builds the tree: every command declares its options on it.
#include "program.h"

#include "option_tree.h"
#include "settings.h"

namespace gptq::cli {

namespace {

struct Command {
  const char* name;
  const char* summary;  // its first sentence in the list of commands, whole on its own page
  Action (*add)(CLI::App&, const CommonOptions&);
};

const Command kCommands[] = {
    {"quantize", "Quantize a model folder with GPTQ. The result is a Hugging Face checkpoint folder.", add_quantize},
    {"chat", "Chat with a model. With -p, answer one question.", add_chat},
    {"generate", "Continue a text. The text streams to standard output.", add_generate},
    {"perplexity", "Measure how well a model predicts a text.", add_perplexity},
    {"bench", "Measure how fast a model loads, processes prompts and generates tokens.", add_bench},
    {"inspect", "Show the contents of a model folder: architecture, bits, sizes, tensors.", add_inspect},
    {"tokenize", "Turn text into token ids.", add_tokenize},
    {"detokenize", "Turn token ids back into text.", add_detokenize},
    {"template", "Render a conversation with the model's chat template.", add_template},
    {"auth", "Log in to or out of the Hugging Face Hub. Logins are shared with huggingface_hub.", add_auth},
    {"pull", "Download a model from the Hugging Face Hub and print the path of its folder.", add_pull},
    {"cache", "List, remove and verify cached models from the Hub.", add_cache},
    {"push", "Upload a model folder to the Hugging Face Hub, with a model card.", add_push},
    {"config", "Show the value of every option and its source.", add_config},
    {"completion", "Print a shell completion script.", add_completion},
    {"man", "Write the manual pages into a folder.", add_man},
    {"doctor", "Check this machine: processor, BLAS, GPUs, cache, token.", add_doctor},
    {"version", "Show which build this is.", add_version},
};

constexpr const char* kFooter = R"(Getting started:
  gptq inspect models/demo                                show the contents of a folder
  gptq quantize models/demo -o demo-4bit                  quantize it
  gptq perplexity demo-4bit --text models/demo/eval.txt   measure the quality
  gptq bench demo-4bit                                    measure the speed
  gptq chat demo-4bit                                     chat with it
  gptq generate demo-4bit 'It was a dark night'           continue a text
  gptq tokenize demo-4bit -p 'Hello there'                text to token ids
  gptq detokenize demo-4bit --ids 1,2,3                   and back
  gptq template demo-4bit --show                          show the chat template
  gptq auth login                                         log in to the Hub
  gptq pull mistralai/Mistral-7B-Instruct-v0.3            download from the Hub
  gptq cache ls                                           list cached models
  gptq push demo-4bit YOU/demo-4bit --private             share it on the Hub
  gptq config show                                        show all settings
  gptq doctor                                             check the machine
  gptq version                                            show the build

MODEL may also be the name of a model on the Hub. gptq COMMAND --help explains each option.
Results go to standard output, everything else to standard error.

Options may also be set in the environment (GPTQ_THREADS=4 for --threads 4) and in the file shown by `gptq config path`;
the command line takes precedence over the environment, which takes precedence over the file.

Exit codes:
    0  success
    1  other failure (disk, folder, bug)
    2  invalid command line, environment or configuration file
    3  not found
    4  permission denied
    5  network failure
    6  damaged or unsupported model files
    7  out of memory
    8  numerical failure (NaN)
  130  interrupted; continue with quantize --resume, or run pull again
)";

}  // namespace

Program::Program() : app_("Quantizes Hugging Face language models with GPTQ and runs them.") {
  app_.option_defaults()->always_capture_default();
  app_.set_help_flag("-h,--help", "Show this page");
  app_.footer(kFooter);
  app_.require_subcommand(1);
  app_.add_flag_callback(
      "--version", [] {}, "Show the version");
  add_common_options(app_, common_);
  for (const Command& row : kCommands) {
    CLI::App* command = app_.add_subcommand(row.name, row.summary);
    actions_[command] = row.add(*command, common_);
    add_common_options(*command, common_);
  }
  mark_what_settings_may_hold(app_);
}

std::vector<std::string> Program::command_names() const {
  std::vector<std::string> names;
  for (const CLI::App* command : commands_of(app_)) names.push_back(command->get_name());
  return names;
}

int Program::run(const CLI::App& command) const { return actions_.at(&command)(); }

}  // namespace gptq::cli
