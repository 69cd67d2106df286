// gptq generate: continues texts.
#include <fmt/format.h>
#include <unistd.h>
#include <memory>
#include <optional>
#include <utility>

#include <gptq/gptq.h>

#include "commands.h"
#include "input.h"
#include "interrupt.h"
#include "model.h"
#include "output.h"
#include "progress.h"
#include "rows.h"
#include "sampling.h"

namespace gptq::cli {

namespace {

constexpr int kDefaultTokens = 64;  // when neither a flag nor the model specifies it

constexpr const char* kGenerateFooter = R"(Examples:
  gptq generate demo-4bit 'It was a dark night'
  gptq generate demo-4bit 'It was a dark night' -n 200 --temperature 0.8 --top-p 0.95 --seed 1
  gptq generate demo-4bit -f story.txt --stop 'THE END' --json
  echo 'It was a dark night' | gptq generate demo-4bit
  gptq generate demo-4bit --jsonl prompts.jsonl > answers.jsonl

The text is passed to the model unchanged, after its beginning-of-text token (unless the text begins with it) and without
the final line break of a file or pipe; `gptq chat` applies the chat template. The output is exactly the continuation:
after 'It was' it begins with a space.

The rows of --jsonl are {"prompt": TEXT}, a bare "TEXT", or {"messages": [...]}, a conversation rendered with the
chat template. Each produces one line, in the same order, with the keys of --json; all rows are read before the first
answer.
)";

struct GenerateArguments {
  std::string model, file, jsonl;
  std::optional<std::string> argument, option;  // the text, as PROMPT or with -p
  ComputeOptions compute;
  SamplingFlags sampling;
};

// One prompt and its origin.
struct Task {
  std::string text;  // input of the model, without the BOS token that the tokenizer adds
  std::vector<TokenId> tokens;
  std::string place;    // "line 3 of FILE"; "" for a single text
  bool answer = false;  // answer to a conversation: leading white space is removed, as in `gptq chat`
};

Json generate_json(const Task& task, Result result) {
  if (task.answer) result.text.erase(0, std::min(result.text.find_first_not_of(" \t\r\n"), result.text.size()));
  return {{"prompt", task.text},
          {"text", result.text},
          {"ids", result.tokens},
          {"finish_reason", to_string(result.finish_reason)},
          {"seed", result.seed ? Json(*result.seed) : Json()},  // null: nothing was drawn
          {"prompt_tokens", result.prompt_tokens},
          {"new_tokens", result.new_tokens},
          {"prompt_seconds", result.prompt_seconds},
          {"decode_seconds", result.decode_seconds},
          {"tokens_per_second", result.tokens_per_second()}};
}

// Removes the final newline of editors and echo, which is not meant for the model.
std::string read_text_to_continue(const GenerateArguments& a) {
  if (a.argument && a.option)
    throw Error(ErrorKind::kUsage, "give the text either as PROMPT or with -p, not both; quote texts with spaces");
  const std::optional<std::string>& text = a.argument ? a.argument : a.option;
  std::string read = read_prompt(text.has_value(), text.value_or(""), a.file);
  if (!text && !read.empty() && read.back() == '\n') read.pop_back();
  return read;
}

// A conversation as the model's chat template writes it.
Task conversation_task(const ChatTemplate& chat, const Tokenizer& tokenizer, const Json& row) {
  RenderOptions options;
  if (row.contains("tools") && !row["tools"].is_null()) options.tools = row["tools"].dump();
  const Prompt prompt = chat.render_json(row["messages"].dump(), options);
  return {prompt.text, tokenizer.encode(prompt), "", true};
}

std::vector<Task> read_tasks(const std::string& path, const std::string& folder) {
  const Tokenizer tokenizer = Tokenizer::open(folder);
  std::optional<ChatTemplate> chat;  // loaded for conversations only
  std::vector<Task> tasks;
  for_each_row(path, "\"prompt\" or \"messages\", nor a text", [&](const Json& row, const std::string& place) {
    Task task;
    if (row.is_object() && row.contains("messages")) {
      if (row.contains("prompt")) throw Error(ErrorKind::kVerification, "found both \"prompt\" and \"messages\"");
      if (!chat) chat = ChatTemplate::open(folder);
      task = conversation_task(*chat, tokenizer, row);
    } else {
      task.text = (row.is_string() ? row : row.at("prompt")).get<std::string>();
      task.tokens = tokenizer.encode_prompt(task.text);
    }
    task.place = place;
    tasks.push_back(std::move(task));
  });
  if (tasks.empty())
    throw Error(ErrorKind::kVerification, fmt::format("{} has no rows, expected one for each prompt", path));
  return tasks;
}

Request request_for(const Engine& engine, const GenerateArguments& a, const Task& task) {
  try {
    return make_request(engine, a.sampling, task.tokens, kDefaultTokens);
  } catch (const Error& error) {
    if (task.place.empty()) throw;
    throw Error(error.kind(), fmt::format("{}: {}", task.place, error.what()));
  }
}

int exit_code(const Result& result) {
  return result.finish_reason == FinishReason::kCancelled ? static_cast<int>(ErrorKind::kInterrupted) : 0;
}

int answer_rows(Engine& engine, const GenerateArguments& a, const std::vector<Task>& tasks,
                const CommonOptions& common) {
  std::vector<Request> requests;  // all before the first answer, because most errors are in the rows
  for (const Task& task : tasks) requests.push_back(request_for(engine, a, task));
  const Interrupt interrupt;
  Progress progress(common.quiet || isatty(STDOUT_FILENO) == 1);  // on a terminal the rows are shown instead
  for (size_t i = 0; i < tasks.size(); ++i) {
    progress.update(static_cast<double>(i) / static_cast<double>(tasks.size()), fmt::format("{} rows", tasks.size()));
    const Result result = engine.generate(requests[i], [&](const std::string&) { return !interrupt.pressed(); });
    if (result.finish_reason == FinishReason::kCancelled) return exit_code(result);
    put_json(generate_json(tasks[i], result), -1);
    if (common.verbose) say_rates(result);
  }
  return 0;
}

int answer_text(Engine& engine, const GenerateArguments& a, const Task& task, const CommonOptions& common) {
  const Request request = request_for(engine, a, task);
  const Interrupt interrupt;
  const Result result = engine.generate(request, [&](const std::string& piece) {
    if (!common.json) {
      put(piece);
      flush();
    }
    return !interrupt.pressed();
  });
  if (common.json) {
    put_json(generate_json(task, result));
  } else {
    put("\n");
    flush();
  }
  if (common.verbose) say_rates(result);
  return exit_code(result);
}

int run_generate_command(const GenerateArguments& a, const CommonOptions& common) {
  const bool rows = !a.jsonl.empty();
  if (rows && (a.argument || a.option || !a.file.empty()))
    throw Error(ErrorKind::kUsage, "give the text either with --jsonl or with PROMPT, -p or -f, not both");
  Task single;
  if (!rows) single.text = read_text_to_continue(a);
  const std::string folder = model_folder(a.model, common);
  const std::vector<Task> tasks = rows ? read_tasks(a.jsonl, folder) : std::vector<Task>();
  say_device(a.compute, common);
  Engine engine = Engine::open(folder, a.compute);
  const std::string warning = greedy_warning(engine, a.sampling);
  if (!warning.empty()) say("warning: " + warning);
  if (rows) return answer_rows(engine, a, tasks, common);
  single.tokens = engine.tokenizer().encode_prompt(single.text);
  return answer_text(engine, a, single, common);
}

}  // namespace

Action add_generate(CLI::App& app, const CommonOptions& common) {
  const auto arguments = std::make_shared<GenerateArguments>();
  add_model_argument(app, arguments->model);
  app.add_option("PROMPT", arguments->argument, "Text to continue (default: -p, -f, --jsonl or standard input)");
  app.add_option("-p,--prompt", arguments->option, "Text to continue")->type_name("TEXT");
  app.add_option("-f,--file", arguments->file, "Read the text from a file; - for standard input")->type_name("FILE");
  app.add_option("--jsonl", arguments->jsonl,
                 "Continue the text of each row of a JSON lines file; - for standard input")
      ->type_name("FILE");
  add_sampling_options(app, arguments->sampling);
  add_compute_options(app, arguments->compute);
  app.footer(kGenerateFooter);
  return [arguments, &common] { return run_generate_command(*arguments, common); };
}

}  // namespace gptq::cli
