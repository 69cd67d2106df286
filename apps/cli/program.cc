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
    {"config", "Show what every option is set to, and where that comes from.", add_config},
    {"completion", "Print what makes a shell complete commands and options.", add_completion},
    {"man", "Write the manual pages into a folder.", add_man},
    {"doctor", "Check this machine: processor, BLAS, GPUs, cache, token.", add_doctor},
    {"version", "Show which build this is.", add_version},
};

constexpr const char* kFooter = R"(First day:
  gptq inspect models/demo                                what is in the folder?
  gptq quantize models/demo -o demo-4bit                  make it small
  gptq perplexity demo-4bit --text models/demo/eval.txt   is it still good?
  gptq bench demo-4bit                                    how fast is it?
  gptq chat demo-4bit                                     talk with it
  gptq generate demo-4bit 'It was a dark night'           let it continue a text
  gptq tokenize demo-4bit -p 'Hello there'                what the model sees
  gptq detokenize demo-4bit --ids 1,2,3                   and back
  gptq template demo-4bit --show                          how it reads messages
  gptq auth login                                         log in to the Hub
  gptq pull mistralai/Mistral-7B-Instruct-v0.3            a model from the Hub
  gptq cache ls                                           what of it is here?
  gptq push demo-4bit YOU/demo-4bit --private             share it on the Hub
  gptq config show                                        what is set where?
  gptq doctor                                             is all here it needs?
  gptq version                                            which build is this?

The name of a model on the Hub works as MODEL, too. gptq COMMAND --help explains each option.
Results go to standard output, everything else to standard error.

Options may also stand in the environment (GPTQ_THREADS=4 for --threads 4) and in the file that `gptq config path`
names; the command line goes before the environment, and that before the file.

Exit codes:
    0  done
    1  failed (disk, folder, bug)
    2  wrong command line, environment or configuration file
    3  not found
    4  permission refused
    5  the network failed
    6  damaged or unsupported model files
    7  out of memory
    8  numerical failure (NaN)
  130  interrupted; quantize goes on with --resume, pull by itself
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
