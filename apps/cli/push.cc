// gptq push: a model folder to the Hugging Face Hub.
#include <fmt/format.h>
#include <memory>

#include <gptq/gptq.h>

#include "commands.h"
#include "model.h"
#include "numbers.h"
#include "output.h"
#include "progress.h"

namespace gptq::cli {

namespace {

constexpr const char* kPushFooter = R"(Examples:
  gptq push demo-4bit you/demo-4bit --private
  gptq push demo-4bit org/demo-4bit --create-pr --message 'Better calibration'
  gptq push demo-4bit you/demo-4bit --perplexity-before base.json --perplexity-after 4bit.json

Only the URL of the commit or pull request is printed to standard output. A login with write access is required
(gptq auth login). The commit comes after all data: an interrupted upload leaves the repository unchanged, and the same
command sends only what is missing. If the folder has no README.md, a model card is generated from the records of
`gptq quantize`.
)";

struct PushArguments {
  std::string folder, repo;
  PushOptions options;
  bool no_card = false;
};

int run_push_command(PushArguments& a, const CommonOptions& common) {
  a.options.write_card = !a.no_card;
  PushResult result;
  {
    TransferBar bar(common.quiet);
    result = push(a.folder, a.repo, a.options, bar.sink());
  }
  if (common.json) {
    put_json({{"url", result.url},
              {"commit", result.commit},
              {"bytes_total", result.bytes_total},
              {"bytes_sent", result.bytes_sent},
              {"notes", result.notes}});
    return 0;
  }
  if (!common.quiet) {
    for (const std::string& note : result.notes) say("note: " + note);
    say(fmt::format("sent {} of {}", human_bytes(result.bytes_sent), human_bytes(result.bytes_total)));
  }
  put(result.url + "\n");
  return 0;
}

}  // namespace

Action add_push(CLI::App& app, const CommonOptions& common) {
  const auto arguments = std::make_shared<PushArguments>();
  PushOptions& o = arguments->options;
  app.add_option("DIR", arguments->folder, "Model folder")->required()->type_name("DIR");
  app.add_option("REPO", arguments->repo, "ORG/NAME on the Hub, created if missing; NAME alone is in your account")
      ->required();
  app.add_flag("--private", o.private_repo, "Create a private repository (default: off)");
  app.add_flag("--create-pr", o.create_pr, "Open a pull request instead of committing (default: off)");
  app.add_option("--revision", o.revision, "Branch, created if missing, or refs/pr/N (default: main)")
      ->type_name("NAME");
  app.add_option("-m,--message", o.message, "Commit title")->type_name("TEXT");
  app.add_option("--base-model", o.base_model,
                 "ORG/NAME of the base model, for the model card (default: as recorded by quantize)")
      ->type_name("ORG/NAME");
  app.add_option("--perplexity-before", o.perplexity_before,
                 "For the model card: output of `gptq perplexity --json` for the base model")
      ->type_name("FILE");
  app.add_option("--perplexity-after", o.perplexity_after,
                 "For the model card: output of `gptq perplexity --json` for DIR")
      ->type_name("FILE");
  app.add_flag("--no-card", arguments->no_card, "Do not write a model card (default: off)");
  app.add_option("--token", o.token, "Access token (default: HF_TOKEN, else the stored login)")->type_name("TOKEN");
  app.add_option("--max-workers", o.max_workers, "Parts uploaded in parallel")
      ->type_name("N")
      ->check(CLI::Range(1, 64));
  app.footer(kPushFooter);
  return [arguments, &common] { return run_push_command(*arguments, common); };
}

}  // namespace gptq::cli
