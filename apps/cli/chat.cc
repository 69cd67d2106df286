// gptq chat: a conversation on the terminal, or one answer.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <memory>
#include <optional>
#include <utility>

#include <gptq/gptq.h>

#include "commands.h"
#include "conversation.h"
#include "input.h"
#include "interrupt.h"
#include "model.h"
#include "output.h"
#include "progress.h"
#include "sampling.h"
#include "streams.h"

namespace gptq::cli {

namespace {

constexpr const char* kChatFooter = R"(Examples:
  gptq chat demo-4bit
  gptq chat demo-4bit -p 'Who are you?'
  gptq chat demo-4bit -p 'Tell me a story' --temperature 0.8 --seed 7 --json
  gptq chat demo-4bit --system 'Answer in one sentence.' --verbose

In the conversation: """ begins and ends a question of several lines, /help lists the commands, Ctrl-C stops
the answer, Ctrl-D leaves.
)";

constexpr const char* kHelp = R"(  /clear                       forget the conversation
  /set parameter NAME VALUE    how answers are drawn, see below
  /set system TEXT             instructions for the whole conversation
  /bye                         leave (also Ctrl-D)
  """                          begins and ends a question of several lines
  Ctrl-C                       stops the answer
Parameters: {})";

constexpr const char* kFence = "\"\"\"";

struct ChatArguments {
  std::string model, system;
  std::optional<std::string> text;
  ComputeOptions compute;
  SamplingFlags sampling;
};

Json to_json(const Result& result) {
  return {{"text", result.text},
          {"prompt_tokens", result.prompt_tokens},
          {"new_tokens", result.new_tokens},
          {"tokens_per_second", result.tokens_per_second()},
          {"prompt_seconds", result.prompt_seconds},
          {"finish_reason", to_string(result.finish_reason)}};
}

Result answer(Conversation& conversation, const std::string& question, const SamplingFlags& sampling, bool stream,
              const Interrupt& interrupt) {
  return conversation.ask(question, sampling, [&](const std::string& piece) {
    if (stream) {
      put(piece);
      flush();
    }
    return !interrupt.pressed();
  });
}

class Loop {
 public:
  Loop(Engine& engine, ChatArguments arguments, bool verbose)
      : conversation_(engine),
        sampling_(std::move(arguments.sampling)),
        verbose_(verbose),
        terminal_(stdin_is_terminal()) {
    conversation_.set_system(arguments.system);
    if (terminal_) say("Chat with " + arguments.model + ". /help lists the commands, /bye leaves.");
  }

  void run() {
    for (std::optional<std::string> text = read_question(); text; text = read_question()) {
      if (text->find_first_not_of(" \t\r\n") == std::string::npos) continue;
      try {
        if (text->front() != '/') {
          ask(*text);
        } else if (!command(*text)) {
          return;
        }
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::kUsage) throw;
        say(fmt::format("gptq: error: {}", error.what()));
      }
    }
  }

 private:
  void show_prompt(const char* prompt) const {
    if (terminal_) put_error(prompt);
  }

  // One line, or several between fences; nothing at the end of the input.
  std::optional<std::string> read_question() {
    std::string text, line;
    bool fenced = false;
    for (;;) {
      show_prompt(fenced ? "... " : ">>> ");
      switch (lines_.next(line)) {
        case LineReader::Outcome::kInterrupted:
          say("\nCtrl-D or /bye leaves");
          interrupt_.reset();
          return "";
        case LineReader::Outcome::kEnd:
          if (terminal_) say("");
          return fenced && !text.empty() ? std::optional(text) : std::nullopt;
        case LineReader::Outcome::kLine: break;
      }
      if (!fenced) {
        if (line.rfind(kFence, 0) != 0) return line;
        fenced = true;
        line.erase(0, 3);
      }
      const size_t end = line.find(kFence);
      text += line.substr(0, end);
      if (end != std::string::npos) return text;
      if (!text.empty()) text += '\n';
    }
  }

  void ask(const std::string& question) {
    interrupt_.reset();
    const Result result = answer(conversation_, question, sampling_, true, interrupt_);
    put("\n");
    flush();
    interrupt_.reset();
    if (verbose_) say_rates(result);
    if (conversation_.full()) {
      say("note: the conversation fills the model's context, so the answer ends here; /clear begins a new "
          "one");
    } else if (result.finish_reason == FinishReason::kLength) {
      say(fmt::format("note: the answer was cut after {} tokens; /set parameter max_new_tokens N allows more",
                      result.new_tokens));
    }
  }

  // false to leave
  bool command(const std::string& line) {
    const auto [verb, rest] = split(line);
    if (verb == "/bye" || verb == "/exit" || verb == "/quit") return false;
    if (verb == "/clear") {
      conversation_.clear();
      say("the conversation is forgotten");
    } else if (verb == "/set") {
      set(rest);
    } else if (verb == "/help" || verb == "/?") {
      say(fmt::format(fmt::runtime(kHelp), fmt::join(parameter_names(), ", ")));
    } else {
      throw Error(ErrorKind::kUsage, fmt::format("there is no command {}; /help lists them", verb));
    }
    return true;
  }

  void set(const std::string& rest) {
    const auto [what, value] = split(rest);
    if (what == "system") {
      conversation_.set_system(value);
      say(value.empty() ? "there is no system text now" : "the system text is set");
      return;
    }
    const auto [name, number] = split(value);
    if (what != "parameter" || number.empty()) {
      throw Error(ErrorKind::kUsage, "write /set parameter NAME VALUE or /set system TEXT; /help lists the names");
    }
    set_parameter(sampling_, name, number);
    say(fmt::format("{} is {}", name, number));
  }

  static std::pair<std::string, std::string> split(const std::string& text) {
    const size_t end = std::min(text.find_first_of(" \t\r"), text.size());
    const size_t begin = std::min(text.find_first_not_of(" \t\r", end), text.size());
    const size_t last = text.find_last_not_of(" \t\r");
    return {text.substr(0, end), begin < text.size() ? text.substr(begin, last - begin + 1) : ""};
  }

  Interrupt interrupt_;
  Conversation conversation_;
  SamplingFlags sampling_;
  LineReader lines_;
  bool verbose_, terminal_;
};

int answer_once(Engine& engine, const ChatArguments& a, const CommonOptions& common) {
  Conversation conversation(engine);
  conversation.set_system(a.system);
  const Interrupt interrupt;
  const Result result = answer(conversation, *a.text, a.sampling, !common.json, interrupt);
  if (common.json) {
    put_json(to_json(result));
  } else {
    put("\n");
    flush();
  }
  if (common.verbose) say_rates(result);
  return result.finish_reason == FinishReason::kCancelled ? static_cast<int>(ErrorKind::kInterrupted) : 0;
}

int run_chat_command(const ChatArguments& a, const CommonOptions& common) {
  if (common.json && !a.text) throw Error(ErrorKind::kUsage, "--json needs one question: pass it with -p TEXT");
  const std::string folder = model_folder(a.model, common);
  say_device(a.compute, common);
  Engine engine = Engine::open(folder, a.compute);
  const std::string warning = greedy_warning(engine, a.sampling);
  if (!warning.empty()) say("warning: " + warning);
  if (a.text) return answer_once(engine, a, common);
  Loop(engine, a, common.verbose).run();
  return 0;
}

}  // namespace

Action add_chat(CLI::App& app, const CommonOptions& common) {
  const auto arguments = std::make_shared<ChatArguments>();
  add_model_argument(app, arguments->model);
  app.add_option("-p,--prompt", arguments->text, "Answer this question and exit (default: a conversation)")
      ->type_name("TEXT");
  app.add_option("--system", arguments->system, "Instructions for the whole conversation (default: none)")
      ->type_name("TEXT");
  add_sampling_options(app, arguments->sampling);
  add_compute_options(app, arguments->compute);
  app.footer(kChatFooter);
  return [arguments, &common] { return run_chat_command(*arguments, common); };
}

}  // namespace gptq::cli
