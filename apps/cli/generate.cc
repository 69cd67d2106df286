// gptq generate: continues a text.
#include <fmt/format.h>
#include <memory>
#include <optional>

#include <gptq/gptq.h>

#include "commands.h"
#include "input.h"
#include "interrupt.h"
#include "model.h"
#include "output.h"
#include "progress.h"
#include "sampling.h"

namespace gptq::cli {

namespace {

constexpr int kDefaultTokens = 64;  // when neither a flag nor the model says how many

constexpr const char* kGenerateFooter = R"(Examples:
  gptq generate demo-4bit -p 'It was a dark night'
  gptq generate demo-4bit -p 'It was a dark night' -n 200 --temperature 0.8 --top-p 0.95 --seed 1
  gptq generate demo-4bit -f story.txt --stop 'THE END' --json
  echo 'It was a dark night' | gptq generate demo-4bit

The text goes to the model as it is, after its beginning-of-text token (unless the text begins with it) and without
the last line break of a file or pipe; `gptq chat` applies the chat template. Only the continuation is printed.
)";

struct GenerateArguments {
  std::string model, file;
  std::optional<std::string> text;
  ComputeOptions compute;
  SamplingFlags sampling;
};

Json generate_json(const Result& result) {
  return {{"text", result.text},
          {"prompt_tokens", result.prompt_tokens},
          {"new_tokens", result.new_tokens},
          {"tokens_per_second", result.tokens_per_second()},
          {"prompt_seconds", result.prompt_seconds},
          {"finish_reason", to_string(result.finish_reason)}};
}

// The line break that editors and echo put at the end is not meant for the model.
std::string read_text_to_continue(const GenerateArguments& a) {
  std::string text = read_prompt(a.text.has_value(), a.text.value_or(""), a.file);
  if (!a.text && !text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

int run_generate_command(const GenerateArguments& a, const CommonOptions& common) {
  const std::string prompt = read_text_to_continue(a);
  const std::string folder = model_folder(a.model, common);
  say_device(a.compute, common);
  Engine engine = Engine::open(folder, a.compute);
  const Request request = make_request(engine, a.sampling, engine.tokenizer().encode_prompt(prompt), kDefaultTokens);
  const std::string warning = greedy_warning(engine, a.sampling);
  if (!warning.empty()) say("warning: " + warning);
  const Interrupt interrupt;
  const Result result = engine.generate(request, [&](const std::string& piece) {
    if (!common.json) {
      put(piece);
      flush();
    }
    return !interrupt.pressed();
  });
  if (common.json) {
    put_json(generate_json(result));
  } else {
    put("\n");
    flush();
  }
  if (common.verbose) say_rates(result);
  return result.finish_reason == FinishReason::kCancelled ? static_cast<int>(ErrorKind::kInterrupted) : 0;
}

}  // namespace

Action add_generate(CLI::App& app, const CommonOptions& common) {
  const auto arguments = std::make_shared<GenerateArguments>();
  add_model_argument(app, arguments->model);
  app.add_option("-p,--prompt", arguments->text, "Text to continue (default: standard input)")->type_name("TEXT");
  app.add_option("-f,--file", arguments->file, "Read the text from a file; - for standard input")->type_name("FILE");
  add_sampling_options(app, arguments->sampling);
  add_compute_options(app, arguments->compute);
  app.footer(kGenerateFooter);
  return [arguments, &common] { return run_generate_command(*arguments, common); };
}

}  // namespace gptq::cli
