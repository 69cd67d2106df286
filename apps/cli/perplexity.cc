// gptq perplexity: how well a model predicts a text.
#include <fmt/format.h>
#include <algorithm>
#include <memory>

#include <gptq/gptq.h>

#include "commands.h"
#include "input.h"
#include "interrupt.h"
#include "model.h"
#include "numbers.h"
#include "output.h"
#include "progress.h"

namespace gptq::cli {

namespace {

constexpr const char* kPerplexityFooter =
    R"(Definition: the whole text is tokenized once (rows of JSON or CSV one by one), with the tokenizer's own special
tokens, and cut into windows that do not overlap; a short last window is dropped. The result is exp of the mean negative
log-likelihood of the predicted tokens, all but the first of each window. Lower is better; numbers are comparable only
for the same text and window.

Examples:
  gptq perplexity models/demo --text models/demo/eval.txt --window 512
  gptq perplexity demo-4bit --text models/demo/eval.txt --window 512 --json
)";

struct PerplexityArguments {
  std::string model, text;
  int window = 2048;
  ComputeOptions compute;
};

int run_perplexity_command(const PerplexityArguments& a, const CommonOptions& common) {
  const std::string folder = model_folder(a.model, common);
  // Before the weights are loaded: most errors are in the text.
  Corpus corpus = [&] {
    const Tokenizer tokenizer = Tokenizer::open(folder);
    return a.text == "-" ? parse_corpus(read_text("-"), "standard input", folder, tokenizer)
                         : read_corpus({a.text}, folder, tokenizer);
  }();
  for (const std::string& note : corpus.notes) say("note: " + note);
  say_device(a.compute, common);
  Engine engine = Engine::open(folder, a.compute);
  const int window = std::min(a.window, engine.context_length());
  if (window < a.window) {
    say(fmt::format("note: window {} shortened to the model's context of {}", a.window, window));
  }
  PerplexityResult result;
  {
    const Interrupt interrupt;
    Progress progress(common.quiet);
    result = engine.perplexity(corpus.tokens, window, [&](int64_t done, int64_t total) {
      progress.update(static_cast<double>(done) / static_cast<double>(total), fmt::format("{} windows", total));
      return !interrupt.pressed();
    });
  }
  if (common.json) {
    put_json({{"model", a.model},
              {"text", a.text},
              {"perplexity", result.perplexity},
              {"tokens", result.tokens},
              {"windows", result.windows},
              {"window", window},
              {"seconds", result.seconds}});
  } else if (common.quiet) {
    put(fmt::format("{:.4f}\n", result.perplexity));
  } else {
    put(fmt::format("perplexity {:.4f} over {} tokens in {} windows of {}, {}\n", result.perplexity, result.tokens,
                    result.windows, window, human_seconds(result.seconds)));
  }
  return 0;
}

}  // namespace

Action add_perplexity(CLI::App& app, const CommonOptions& common) {
  const auto arguments = std::make_shared<PerplexityArguments>();
  add_model_argument(app, arguments->model);
  app.add_option("-t,--text", arguments->text,
                 "Text to evaluate, in any format that quantize --calibration accepts; - for standard input")
      ->required()
      ->type_name("FILE");
  app.add_option("--window", arguments->window, "Tokens per window; shortened to the model's context with a note")
      ->type_name("N")
      ->check(CLI::Range(2, 1 << 30));
  add_compute_options(app, arguments->compute);
  app.footer(kPerplexityFooter);
  return [arguments, &common] { return run_perplexity_command(*arguments, common); };
}

}  // namespace gptq::cli
