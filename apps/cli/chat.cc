// gptq chat: a conversation on the terminal, or one answer.
#include <fmt/format.h>
#include <unistd.h>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include <gptq/gptq.h>

#include "chat_commands.h"
#include "chat_history.h"
#include "commands.h"
#include "conversation.h"
#include "input.h"
#include "interrupt.h"
#include "line_editor.h"
#include "model.h"
#include "output.h"
#include "progress.h"
#include "sampling.h"
#include "spinner.h"
#include "streams.h"
#include "word_wrap.h"

namespace gptq::cli {

namespace {

constexpr const char* kChatFooter = R"(Examples:
  gptq chat demo-4bit
  gptq chat demo-4bit -p 'Who are you?'
  gptq chat demo-4bit -p 'Tell me a story' --temperature 0.8 --seed 7 --json
  gptq chat demo-4bit --system 'Answer in one sentence.' --verbose

In the conversation: /help lists the commands (/retry, /undo, /save, /load, /file, /set, /show), """ begins and
ends a question of several lines, and a paste of several lines is one question. Ctrl-C stops the answer; at the
prompt it clears the line; Ctrl-C twice or Ctrl-D leaves. On a terminal, arrow keys and Ctrl-R search the history,
also that of earlier conversations ($XDG_STATE_HOME/gptq/chat_history or ~/.local/state/gptq/chat_history).
NO_COLOR=1 disables colours.
)";

constexpr const char* kFence = "\"\"\"";

struct ChatArguments {
  std::string model, system;
  std::optional<std::string> text;
  ComputeOptions compute;
  SamplingFlags sampling;
  bool no_history = false;
};

Json to_json(const Result& result) {
  return {{"text", result.text},
          {"prompt_tokens", result.prompt_tokens},
          {"new_tokens", result.new_tokens},
          {"tokens_per_second", result.tokens_per_second()},
          {"prompt_seconds", result.prompt_seconds},
          {"finish_reason", to_string(result.finish_reason)},
          {"seed", result.seed ? Json(*result.seed) : Json()}};
}

// How an answer is printed: starts it, and passes its text to the sink.
using Answerer = std::function<Result(const TextSink& on_text)>;

// Prints the answer while it is generated, wrapped at the terminal's width, with a spinner while the
// prompt is processed.
Result show_answer(const Answerer& answerer, bool stream, bool quiet, const Interrupt& interrupt) {
  Spinner spinner("reading the conversation", !quiet);
  const bool wrapped = isatty(STDOUT_FILENO) == 1;
  WordWrap wrap;
  const auto show = [&](const std::string& text) {
    put(text);
    flush();
  };
  const Result result = answerer([&](const std::string& piece) {
    if (!piece.empty()) spinner.stop();
    // some terminals wrap in the last column
    if (stream) show(wrapped ? wrap.push(piece, terminal_columns() - 1) : piece);
    return !interrupt.pressed();
  });
  spinner.stop();
  if (stream) show(wrap.finish() + "\n");
  return result;
}

// The user's input: a question or a command.
struct Input {
  std::string text;
  bool command = false;
};

class Loop {
 public:
  Loop(Engine& engine, const ChatArguments& arguments, const CommonOptions& common)
      : state_{arguments.model, Conversation(engine), arguments.sampling},
        quiet_(common.quiet),
        verbose_(common.verbose),
        terminal_(stdin_is_terminal()) {
    state_.conversation.set_system(arguments.system);
    if (LineEditor::usable()) {
      editor_.emplace(colour_on_stderr(), complete_chat_command);
      history_.emplace(!arguments.no_history);
      for (const std::string& entry : history_->entries()) editor_->remember(entry);
    }
    if (terminal_) say("Chat with " + arguments.model + ". /help lists the commands, /bye leaves.");
  }

  void run() {
    for (std::optional<Input> input = read_input(); input; input = read_input()) {
      if (input->text.find_first_not_of(" \t\r\n") == std::string::npos) continue;
      const ChatAction action = input->command ? command(input->text) : ChatAction::kGoOn;
      if (action == ChatAction::kLeave) return;
      if (input->command && action == ChatAction::kGoOn) continue;
      try {
        action == ChatAction::kRetry ? retry() : ask(input->text);
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::kUsage) throw;
        say(fmt::format("gptq: error: {}", error.what()));
      }
    }
  }

 private:
  LineReader::Outcome read_line(const char* prompt, std::string& line) {
    if (editor_) return editor_->read(prompt, line);
    if (terminal_) put_error(prompt);
    return lines_.next(line);
  }

  // One line, or several between fences; nullopt to leave.
  std::optional<Input> read_input() {
    std::string text, typed, line;
    bool fenced = false;
    for (;;) {
      line.clear();
      switch (read_line(fenced ? "... " : ">>> ", line)) {
        case LineReader::Outcome::kInterrupted: return interrupted(fenced || !line.empty());
        case LineReader::Outcome::kEnd:
          if (terminal_) say("");
          return fenced && !text.empty() ? std::optional(Input{text}) : std::nullopt;
        case LineReader::Outcome::kLine: interruptions_ = 0; break;
      }
      typed += (typed.empty() ? "" : "\n") + line;
      if (!fenced) {
        if (line.rfind(kFence, 0) != 0) {
          remember(line);
          return Input{line, line[0] == '/' && line.find('\n') == std::string::npos};  // a paste is not a command
        }
        fenced = true;
        line.erase(0, 3);
      }
      const size_t end = line.find(kFence);
      text += line.substr(0, end);
      if (end != std::string::npos) {
        remember(typed);
        return Input{text};
      }
      if (!text.empty()) text += '\n';
    }
  }

  // Ctrl-C at the prompt: discards the input, or leaves if there was none since the last time.
  std::optional<Input> interrupted(bool typed) {
    if (interrupt_.terminated()) throw Error(ErrorKind::kInterrupted, "interrupted");
    interrupt_.reset();
    interruptions_ = typed ? 1 : interruptions_ + 1;
    if (interruptions_ > 1) return std::nullopt;
    say(fmt::format("{}Ctrl-C again, Ctrl-D or /bye leaves", editor_ ? "" : "\n"));
    return Input{};
  }

  void remember(const std::string& typed) {
    if (!editor_ || typed.find_first_not_of(" \t\n") == std::string::npos) return;
    editor_->remember(typed);
    history_->add(typed);
  }

  ChatAction command(const std::string& line) {
    try {
      return run_chat_command(state_, line);
    } catch (const Error& error) {
      say(fmt::format("gptq: error: {}", error.what()));
      return ChatAction::kGoOn;
    }
  }

  void ask(const std::string& question) {
    retries_ = 0;
    const std::string text = std::exchange(state_.attachment, "") + question;
    answer([&](const TextSink& on_text) { return state_.conversation.ask(text, state_.sampling, on_text); });
  }

  void retry() {
    SamplingFlags flags = state_.sampling;
    const double temperature = temperature_of(state_.conversation.engine(), flags);
    if (temperature == 0)
      say("note: at temperature 0 the answer stays the same; /set temperature 0.7 gives other answers");
    if (flags.has("seed")) flags.values["seed"] += ++retries_;  // else each answer has its own
    answer([&](const TextSink& on_text) { return state_.conversation.retry(flags, on_text); });
  }

  void answer(const Answerer& answerer) {
    interrupt_.reset();
    std::optional<HiddenKeys> hidden;
    if (editor_) hidden.emplace();
    const Result result = show_answer(answerer, true, quiet_, interrupt_);
    hidden.reset();
    if (interrupt_.terminated()) throw Error(ErrorKind::kInterrupted, "interrupted");
    interrupt_.reset();
    if (verbose_) say_rates(result);
    if (state_.conversation.full()) {
      say("note: the conversation fills the model's context, so the answer ends here; /undo or /clear frees context");
    } else if (result.finish_reason == FinishReason::kLength) {
      say(fmt::format("note: the answer was truncated after {} tokens; /set max_new_tokens N raises the limit",
                      result.new_tokens));
    }
  }

  Interrupt interrupt_;
  ChatState state_;
  std::optional<LineEditor> editor_;
  std::optional<ChatHistory> history_;  // with the editor
  LineReader lines_;                    // without it
  bool quiet_, verbose_, terminal_;
  int interruptions_ = 0;  // one after the other, at the prompt
  uint64_t retries_ = 0;   // of the last question
};

int answer_once(Engine& engine, const ChatArguments& a, const CommonOptions& common) {
  Conversation conversation(engine);
  conversation.set_system(a.system);
  const Interrupt interrupt;
  const Result result =
      show_answer([&](const TextSink& on_text) { return conversation.ask(*a.text, a.sampling, on_text); }, !common.json,
                  common.quiet, interrupt);
  if (common.json) put_json(to_json(result));
  if (common.verbose) say_rates(result);
  return result.finish_reason == FinishReason::kCancelled ? static_cast<int>(ErrorKind::kInterrupted) : 0;
}

int run_chat(const ChatArguments& a, const CommonOptions& common) {
  if (common.json && !a.text) throw Error(ErrorKind::kUsage, "--json needs one question: pass it with -p TEXT");
  const std::string folder = model_folder(a.model, common);
  say_device(a.compute, common);
  Engine engine = Engine::open(folder, a.compute);
  const std::string warning = greedy_warning(engine, a.sampling);
  if (!warning.empty()) say("warning: " + warning);
  if (a.text) return answer_once(engine, a, common);
  Loop(engine, a, common).run();
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
  app.add_flag("--no-history", arguments->no_history, "Neither read nor write the history file (default: off)");
  add_sampling_options(app, arguments->sampling);
  add_compute_options(app, arguments->compute);
  app.footer(kChatFooter);
  return [arguments, &common] { return run_chat(*arguments, common); };
}

}  // namespace gptq::cli
